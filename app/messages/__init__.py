"""Messages 消息: told by the journal, never by an act. Who is told what stands in one table (`telling`)."""

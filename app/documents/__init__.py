"""Documents people take home 文书: notices, records, letters and reports as PDF, with seal and check code.

Acts never make a PDF. A follower of the journal does (`app.documents.issuing`), keeps it in the object store,
and anybody may check it at `/verify/<code>`.
"""

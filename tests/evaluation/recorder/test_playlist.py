from evaluation.recorder.playlist import Entry, playlist

ZERO = 1_795_000_000_000


def names(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_growing_and_closed():
    entries = [Entry("000001.m4s", "init-000001.mp4", 250, 3950), Entry("000002.m4s", "init-000001.mp4", 4200, 4010)]

    live, closed = (playlist(entries, ZERO, closed=over) for over in (False, True))

    assert "#EXT-X-PLAYLIST-TYPE:EVENT" in live
    assert "#EXT-X-ENDLIST" not in live
    assert closed.splitlines()[-1] == "#EXT-X-ENDLIST"
    assert live.count('#EXT-X-MAP:URI="init-000001.mp4"') == 1
    assert "#EXT-X-PROGRAM-DATE-TIME:2026-11-18T11:06:40.250Z" in live
    assert "#EXTINF:3.950,\n000001.m4s\n#EXTINF:4.010,\n000002.m4s" in live


def test_a_hole_is_filled_with_gaps_that_keep_the_time():
    entries = [Entry("000001.m4s", "init-000001.mp4", 0, 4000), Entry("000002.m4s", "init-000002.mp4", 14_500, 4000)]

    text = playlist(entries, ZERO, closed=True)

    assert text.count("#EXT-X-GAP") == 3
    lengths = [float(line[8:-1]) for line in text.splitlines() if line.startswith("#EXTINF")]
    assert sum(lengths) == 18.5
    assert max(lengths) <= 8
    assert text.count("#EXT-X-DISCONTINUITY") == 1
    assert "#EXT-X-PROGRAM-DATE-TIME:2026-11-18T11:06:54.500Z\n#EXTINF:4.000,\n000002.m4s" in text


def test_no_segment_is_longer_than_the_target():
    text = playlist([Entry("000001.m4s", "init-000001.mp4", 0, 12_345)], ZERO, closed=True)

    assert "#EXT-X-TARGETDURATION:13" in text

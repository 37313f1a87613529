import json
import shutil


def test_what_is_well(run, captures):
    ended = run("doctor", captures)
    assert ended.code == 0, ended
    lines = ended.out.splitlines()
    assert lines[0] == f"2 captures; 2 white pictures in {captures}"
    assert lines[1] == "IMG_0001: can be decoded, SIMULATED"
    assert (
        lines[2]
        == "  ILLUM B5SIMULATED, 384 x 288, zoom step -540, focus step -30, 0.008 s, ISO 80, f/2.20, 36.8 mm"
    )
    tar = captures / "caldata-B5SIMULATED.tar"
    assert lines[3].startswith(f"  white picture: {tar}:MOD_000")
    assert lines[3].endswith(".RAW, named by the capture (zoom 0 steps off, focus 0 steps off)")
    assert lines[-2] == "2 of 2 captures can be decoded"
    assert lines[-1].startswith("lfsynth decode: about ")


def test_json(run, captures):
    ended = run("doctor", captures / "IMG_0001.LFR", "--json")
    facts = json.loads(ended.out)
    assert facts["can_be_decoded"] is True
    assert facts["shape"] == [288, 384]
    # 22 x 30 points, as the simulated camera's lattice has them, of 3 colours with 2 bytes in 137 lit views; one row
    # and one column more are reckoned where the sensor's edge cuts lenses.
    assert 22 * 30 * 3 * 2 * 137 <= facts["bytes"] <= 23 * 31 * 3 * 2 * 137
    assert facts["faults"] == []
    assert facts["capture"]["zoom_step"] == -540


def test_what_is_wrong(run, captures, tmp_path):
    good, bad = captures / "IMG_0001.LFR", captures / "IMG_0002.LFR"
    bad.write_bytes(bad.read_bytes()[:5000])
    ended = run("doctor", captures)
    assert ended.code == 1
    lines = ended.out.splitlines()
    at = lines.index("IMG_0002: cannot be decoded")
    assert lines[at + 1].startswith(f"  fault: {bad}: ")
    assert lines[-2] == "1 of 2 captures can be decoded"
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(good, alone)
    ended = run("doctor", alone)
    assert ended.code == 1
    assert "  fault: " in ended.out
    assert "0 of 1 captures can be decoded" in ended.out
    assert run("doctor", alone, "--calibration", captures).code == 0


def test_a_far_white_picture_is_noted(run, captures, tmp_path):
    from lfsynth.lytro.doctor import FAR_FOCUS, _far
    from lfsynth.lytro.white_pictures import Choice, How

    assert _far(Choice(None, How.NEAREST, 0, FAR_FOCUS)) == []
    assert _far(Choice(None, How.NEAREST, None, FAR_FOCUS + 1)) == [
        "its zoom or that of its white picture is unknown",
        f"its white picture is {FAR_FOCUS + 1} steps of focus away",
    ]


def test_a_damaged_archive_is_named(run, captures):
    tar = captures / "caldata-B5SIMULATED.tar"
    tar.write_bytes(tar.read_bytes()[:100])
    ended = run("doctor", captures)
    assert ended.code == 2
    assert ended.err.startswith(f"lfsynth: {tar}: ")
    assert ended.err.endswith("; or name others by --calibration\n")

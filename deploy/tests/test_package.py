"""What a package holds."""

import hashlib
import json
import re
import stat
import zipfile

import package
from conftest import DEPLOY, build, cfn_lint, elf, pack

EM_X86_64 = 62


def test_the_same_input_makes_the_same_bytes(tmp_path):
    for name in ["one", "other"]:
        done = pack(build(tmp_path / name), tmp_path / name / "out")
        assert done.returncode == 0, done.stderr
    lists = [(tmp_path / name / "out" / "contents.json").read_bytes() for name in ["one", "other"]]
    assert lists[0] == lists[1]


def test_the_list_has_every_file_with_its_size_and_sha_256(package_folder):
    listed = {one["name"]: one for one in json.loads((package_folder / "contents.json").read_text())}
    there = {file.relative_to(package_folder).as_posix(): file for file in package_folder.rglob("*") if file.is_file()}
    assert listed.keys() == there.keys() - {"contents.json"}
    for name, one in listed.items():
        data = there[name].read_bytes()
        assert (one["size"], one["sha256"]) == (len(data), hashlib.sha256(data).hexdigest()), name


def test_a_zip_holds_a_program_that_may_be_run(package_folder):
    for name in package.FUNCTIONS:
        with zipfile.ZipFile(package_folder / "functions" / f"{name}.zip") as archive:
            (entry,) = archive.infolist()
            assert entry.filename == "bootstrap"
            assert stat.S_IMODE(entry.external_attr >> 16) == 0o755
            assert archive.read(entry) == elf(package.EM_AARCH64, name.encode())


def test_code_is_uploaded_under_a_name_of_its_content(package_folder):
    listed = json.loads((package_folder / "contents.json").read_text())
    keys = {one["key"]: one for one in listed if "key" in one}
    assert len(keys) == 5
    for key, one in keys.items():
        assert key == f"{one['name'].removesuffix('.zip')}-{one['sha256'][:16]}.zip"
    template = json.loads((package_folder / "template.json").read_text())
    functions = [one["Properties"] for one in template["Resources"].values() if one["Type"] == "AWS::Lambda::Function"]
    assert {one["Code"]["S3Key"] for one in functions} == keys.keys()
    assert {json.dumps(one["Code"]["S3Bucket"]) for one in functions} == {'{"Ref": "CodeBucket"}'}


def test_both_templates_of_a_package_are_in_order(package_folder):
    assert cfn_lint(package_folder / "template.json") == (0, "")
    assert cfn_lint(package_folder / "template.yaml") == (0, "")
    named = re.findall(r"CodeUri: (\S+)", (package_folder / "template.yaml").read_text())
    assert len(named) == 5
    assert all((package_folder / name).is_file() for name in named)


def test_the_page_s_configuration_is_left_to_the_deployment(package_folder):
    assert (package_folder / "page" / "index.html.br").is_file()
    assert not list((package_folder / "page").glob("config.json*"))


def test_a_program_for_another_machine_is_refused(tmp_path):
    done = pack(build(tmp_path, EM_X86_64), tmp_path / "out")
    assert done.returncode != 0
    assert "is no program for Linux on arm64" in done.stderr


def test_a_page_without_compressed_copies_is_refused(tmp_path):
    built = build(tmp_path)
    (built / "page" / "sw.js.br").unlink()
    done = pack(built, tmp_path / "out")
    assert done.returncode != 0
    assert "sw.js has no copy" in done.stderr


def test_a_package_takes_the_place_of_a_package_and_of_nothing_else(tmp_path):
    built, out = build(tmp_path), tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("ten years of work")
    done = pack(built, out)
    assert done.returncode != 0
    assert "holds no package" in done.stderr
    assert (out / "thesis.txt").is_file()
    (out / "thesis.txt").unlink()
    assert pack(built, out).returncode == 0
    assert pack(built, out).returncode == 0


def test_what_packages_is_what_these_tests_expand_with():
    def version(file):
        return re.search(r"^aws-sam-translator==(\S+)$", file.read_text(), re.MULTILINE)[1]

    assert version(DEPLOY / "requirements.txt") == version(DEPLOY / "tests" / "requirements.txt")

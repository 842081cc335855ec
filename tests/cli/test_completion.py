# SPDX-License-Identifier: MIT
"""`light-runner completion`: the scripts know every verb and flag of --help, and the completion in bash works."""
import os
import re
import shutil
import subprocess

import pytest

from harness import images

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
PROGRAM = os.path.abspath(os.environ.get("LIGHT_RUNNER", os.path.join(ROOT, "build", "light-runner")))
SHELLS = ["bash", "zsh", "fish"]


def run(argv, **options):
    return subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, **options)


def output(*argv):
    done = run([PROGRAM, *argv])
    assert (done.returncode, done.stderr) == (0, b""), done
    return done.stdout.decode()


def commands():
    """{command: its flags}, from --help."""
    verbs = re.findall(r"^  ([a-z]+) +.+$", output("help").partition("\n'light-runner")[0], re.MULTILINE)
    names = [*verbs, *(f"image {word}" for word in ("pull", "import", "ls", "rm")), "setup gvisor", "setup kata"]
    helps = {name: output(*name.split(), "--help") if name != "help" else "" for name in names}
    assert {"run", "logs", "completion", "help"} <= set(helps)
    return {name: re.findall(r"^  --([a-z-]+)", text, re.MULTILINE) for name, text in helps.items()}


# How each script names a command's flag.
def section(shell, script, command):
    if shell == "bash":
        return re.search(rf"^    '{command}'\)\n(.*?);;$", script, re.MULTILINE | re.DOTALL).group(1)
    if shell == "zsh":
        name = command.replace(" ", "_")
        return re.search(rf"^_light_runner_{name}\(\)\n\{{\n(.*?)^\}}$", script, re.MULTILINE | re.DOTALL).group(1)
    return "\n".join(line for line in script.splitlines() if f'__light_runner_is "{command}"' in line)


PATTERNS = {"bash": r"--{}\b", "zsh": r"'\*?--{}=?\[", "fish": r" -l {} "}


@pytest.mark.parametrize("shell", SHELLS)
def test_every_verb_and_flag_of_the_help_is_in_the_script(shell):
    script, missing, seen = output("completion", shell), [], 0
    for command, flags in commands().items():
        text = section(shell, script, command)
        for flag in flags:
            seen += 1
            if not re.search(PATTERNS[shell].format(flag), text):
                missing.append((command, flag))
        for name in command.split():
            if not re.search(rf"(?<![\w-]){name}(?![\w-])", script.split("_light_runner_command ''")[0]):
                missing.append(name)
    assert not missing
    assert seen > 80


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_accepts_its_script(shell, tmp_path):
    if not shutil.which(shell):
        pytest.skip(f"no {shell} on this machine")
    script = tmp_path / "script"
    script.write_text(output("completion", shell))
    done = run([shell, "-n", str(script)])
    assert (done.returncode, done.stderr) == (0, b""), done


def test_usage():
    for argv, message in (((), b"missing shell"), (("tcsh",), b"unknown shell 'tcsh' (expected bash, zsh or fish)"),
                          (("bash", "x"), b"unknown argument 'x'")):
        done = run([PROGRAM, "completion", *argv])
        assert done.returncode == 125 and message in done.stderr and done.stdout == b"", done


# ------------------------------------------------------------- bash

# Calls the function that is registered for light-runner, as bash does when Tab is pressed.
BASH = """
eval "$("$1" completion bash)"
complete -p light-runner
[[ $(complete -p light-runner) =~ -F\\ ([^ ]+) ]] && function=${BASH_REMATCH[1]}
COMP_LINE=$2 COMP_POINT=${#2}
COMP_WORDS=($2) COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
"$function" "${3:-$1}" "${COMP_WORDS[COMP_CWORD]}" ""
printf '%s\\n' "${COMPREPLY[@]}"
"""


def bash(line, program="", **options):
    done = run(["bash", "--norc", "-c", BASH, "bash", PROGRAM, line, program], **options)
    assert (done.returncode, done.stderr) == (0, b""), done
    first, *answers = done.stdout.decode().split("\n")[:-1]
    assert first == "complete -F _light_runner light-runner"
    return [answer for answer in answers if answer]


@pytest.mark.parametrize("line, answers", [
    ("light-runner ver", ["verify", "version"]),
    ("light-runner --v", ["--version"]),
    ("light-runner image ", ["pull", "import", "ls", "rm"]),
    ("light-runner image l", ["ls"]),
    ("light-runner image ls --e", ["--engine"]),
    ("light-runner image ls --engine ", ["auto", "local", "docker"]),
    ("light-runner run --runtime r", ["runc", "runsc"]),
    ("light-runner run --runtime=k", ["kata"]),
    ("light-runner run --runtime=kata --engine lo", ["local"]),
    ("light-runner run --network ", ["none"]),
    ("light-runner run --memory ", []),
    ("light-runner run --memory 1g --setup-n", ["--setup-network"]),
    ("light-runner run --no-ignore --li", ["--links"]),
    ("light-runner run --links ", ["skip", "inside"]),
    ("light-runner run --env --engine --extract-w", ["--extract-when"]),
    ("light-runner run busybox --eng", []),
    ("light-runner stop --signal KI", ["KILL"]),
    ("light-runner network ", ["create", "rm", "exists", "prune"]),
    ("light-runner network create ", []),
    ("light-runner setup ", ["gvisor", "kata"]),
    ("light-runner setup gvisor --dr", ["--dry-run"]),
    ("light-runner completion ", ["bash", "zsh", "fish"]),
    ("light-runner help verif", ["verify"]),
    ("light-runner doctor --f", ["--full"]),
    ("light-runner nonsense ", []),
])
def test_bash_completes(line, answers):
    assert bash(line) == answers


def test_bash_completes_files_and_folders(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file name").touch()
    assert bash("light-runner image import f", cwd=tmp_path) == ["file name", "folder"]
    assert bash("light-runner run --dir f", cwd=tmp_path) == ["folder"]
    assert bash("light-runner run --input=fi", cwd=tmp_path) == ["file name"]
    assert bash("light-runner run busybox cat fi", cwd=tmp_path) == ["file name"]


def test_bash_completes_ids_of_runs_and_names_of_images(tmp_path):
    environment = {**os.environ, "LIGHT_RUNNER_ENGINE": "local", "DOCKER_HOST": f"unix://{tmp_path}/none", "LIGHT_RUNNER_DATA_DIR": f"{tmp_path}/data",
                   "LIGHT_RUNNER_STATE_DIR": f"{tmp_path}/state"}
    os.mkdir(tmp_path / "data", 0o700)
    tar = images.make_busybox_tar(str(tmp_path / "busybox.tar"))
    assert run([PROGRAM, "image", "import", tar, "busybox:1"], env=environment).returncode == 0
    assert bash("light-runner run b", env=environment) == ["busybox:1"]
    # bash does not replace the text before the colon.
    assert bash("light-runner image rm busybox:", env=environment) == ["1"]
    assert bash("light-runner verify --image bu", env=environment) == ["busybox:1"]
    assert bash("light-runner attach ", env=environment) == []
    done = run([PROGRAM, "run", "--detach", "--network", "none", "busybox:1", "true"], env=environment)
    assert done.returncode == 0, done
    name = done.stdout.decode().strip()
    try:
        assert bash("light-runner logs " + name[:3], env=environment) == [name]
        assert bash("light-runner stop --no-wait ", env=environment) == [name]
    finally:
        run([PROGRAM, "attach", name], env=environment)


def test_bash_evaluates_no_name(tmp_path):
    """An image's name must not execute commands, neither when Tab is pressed nor when Enter follows."""
    stub = tmp_path / "stub"
    stub.write_text("""#!/bin/sh\necho NAME DIGEST\ncat <<'END'\n$(touch${IFS}owned) x\n`touch${IFS}owned` x\ngood:1 x\na;touch x\n* x\nEND\n""")
    stub.chmod(0o755)
    assert bash("light-runner run ", program=str(stub), cwd=tmp_path) == ["good:1"]
    assert os.listdir(tmp_path) == ["stub"]


# ------------------------------------------------------------- fish

@pytest.mark.skipif(not shutil.which("fish"), reason="no fish on this machine")
@pytest.mark.parametrize("line, answers", [
    ("light-runner ver", ["verify", "version"]),
    ("light-runner image l", ["ls"]),
    ("light-runner image ls --engine ", ["auto", "docker", "local"]),
    ("light-runner run --runtime=k", ["--runtime=kata"]),
    ("light-runner run --memory 1g --setup-n", ["--setup-network"]),
    ("light-runner run busybox --eng", []),
    ("light-runner setup gvisor --dr", ["--dry-run"]),
    ("light-runner completion ", ["bash", "fish", "zsh"]),
])
def test_fish_completes(line, answers, tmp_path):
    script = tmp_path / "script"
    script.write_text(output("completion", "fish"))
    done = run(["fish", "--no-config", "-c", "source $argv[1]; complete -C $argv[2]", str(script), line],
               env={**os.environ, "HOME": str(tmp_path)})
    assert sorted(answer.split("\t")[0] for answer in done.stdout.decode().splitlines()) == answers, done

# SPDX-License-Identifier: MIT
"""The verbs, flags and packages that hints in the sources recommend exist. The tests of the errors, and test_hints_help.py, check that
the hints help: a test executes each hint, or there is a reason why not."""
import glob
import os
import re
import subprocess

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
PROGRAM = os.path.abspath(os.environ.get("LIGHT_RUNNER", os.path.join(ROOT, "build", "light-runner")))

LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"')
# Flags in hints that belong to other programs.
OTHERS = {"--privileged", "--output", "--user", "--scope", "--add-subuids", "--add-subgids", "--format", "--decryption-key", "--help"}
# The verb that a file's hints mean if they name none.
VERBS = {"src/install/": "setup gvisor", "cli/verb_verify.c": "verify"}
# Packages of the distribution for optional features. The tests need none of them.
ELSEWHERE = {"skopeo"}


# Up to the end of the statement. Texts may contain semicolons, too.
STATEMENT = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^";])*')


NAMED = re.compile(r'(?:"(?:[^"\\]|\\.)*"\s*)*')


def calls(pattern, extent=STATEMENT):
    """The string literals after every match: (file, text)."""
    for folder in ("src", "lib", "cli"):
        for path in sorted(glob.glob(os.path.join(ROOT, folder, "**", "*.c"), recursive=True)):
            with open(path, encoding="utf-8") as file:
                text = file.read()
            for match in re.finditer(pattern, text):
                statement = extent.match(text, match.end()).group()
                # Adjacent literals are one string. Anything between literals begins another argument.
                joined = re.sub(r'"\s*"', "", re.sub(r"/\*.*?\*/", "", statement, flags=re.DOTALL))
                for literal in LITERAL.findall(joined):
                    yield os.path.relpath(path, ROOT), literal


def tables():
    """The texts of hints that are in tables, away from their errors: (file, text)."""
    return calls(r"\bhint(?:\[\])? = (?=\")", NAMED)


def hints():
    """The texts of every hint, and of every message with a hint: (file, text)."""
    return calls(r"\b(?:error_hint|missing)\(")


def help_of(*words):
    return subprocess.run([PROGRAM, *words, "--help"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=30).stdout.decode()


def test_verbs_and_flags_of_hints_are_there():
    helps, wrong, seen = {}, [], 0

    def knows(verb, flag):
        if verb not in helps:
            helps[verb] = help_of(*verb.split())
        return re.search(re.escape(flag) + r"\b", helps[verb]) is not None

    verbs = set(re.findall(r"^  ([a-z]+) ", help_of(), re.MULTILINE))
    assert "run" in verbs
    for path, hint in hints():
        for part in re.split(r"[;,()]| or ", hint):
            called = re.search(r"light-runner ((?:image|setup|network) [a-z]+|[a-z]+)", part)
            verb = called.group(1) if called and called.group(1).split()[0] in verbs else next(
                (verb for start, verb in VERBS.items() if path.startswith(start)), "run")
            if re.search(r"(?:^|: |; )light-runner [a-z]+", part) and called.group(1).split()[0] not in verbs:
                wrong.append((path, hint, called.group(1)))
            for flag in re.findall(r"(?<![\w-])--[a-z][a-z-]*", part):
                seen += 1
                if flag not in OTHERS and not knows(verb, flag):
                    wrong.append((path, hint, flag))
    assert not wrong, "\n".join(map(str, wrong))
    assert seen > 20


HERE, CONTRACT = "cli/test_hints_help.py::", "contract/test_"
# Part of a hint: the test that does what it recommends and checks that the error is gone.
EXECUTED = {
    # Values
    "write it like": HERE + "test_values_of_flags_that_hints_give_are_taken",
    "digits followed by k, m or g": HERE + "test_values_of_flags_that_hints_give_are_taken",
    "begin it with a slash": HERE + "test_values_of_documents_that_hints_give_are_taken",
    "add --detach": CONTRACT + "session.py::test_hints",
    "light-runner session list": CONTRACT + "session.py::test_hints",
    "resume it first": CONTRACT + "session.py::test_states_and_verbs",
    "wait for the end of one": CONTRACT + "session.py::test_the_limit_of_commands_at_once",
    "run --argv": CONTRACT + "argv.py::test_words_reach_the_program_as_they_are",
    "milliseconds": HERE + "test_values_of_documents_that_hints_give_are_taken",
    "without a slash": HERE + "test_values_of_documents_that_hints_give_are_taken",
    "use a folder such as": HERE + "test_values_of_documents_that_hints_give_are_taken",
    "or use --network none": HERE + "test_values_of_documents_that_hints_give_are_taken",
    "leave out --accelerator, or use --runtime kata": HERE + "test_values_of_documents_that_hints_give_are_taken",
    "give one JSON object like": HERE + "test_the_document_that_a_hint_gives_is_taken",
    "known here:": HERE + "test_a_field_that_a_hint_names_is_known",
    "try: light-runner": HERE + "test_the_help_that_a_hint_names_is_there",
    # Commands and files
    "add a shell command": HERE + "test_an_image_without_a_command_takes_one",
    "--argv does not": HERE + "test_an_image_without_a_shell_takes_argv",
    "name a folder that": HERE + "test_a_folder_to_copy_in",
    "the folder that holds the file": HERE + "test_a_folder_to_copy_in",
    "--disk 4g": HERE + "test_a_folder_that_is_larger_than_the_disk",
    # Images
    "light-runner image ls shows": HERE + "test_names_that_are_not_there_are_listed",
    "light-runner ls shows": HERE + "test_names_that_are_not_there_are_listed",
    "import it again": HERE + "test_an_image_whose_file_is_not_good_is_imported_again",
    "pull or import the images again": HERE + "test_an_index_that_cannot_be_read_is_removed",
    "another LIGHT_RUNNER_DATA_DIR": HERE + "test_an_index_of_a_newer_version_leaves_another_folder",
    "tar -C FOLDER": HERE + "test_a_folder_that_is_a_root_file_system_goes_through_tar",
    "image import - NAME": HERE + "test_a_folder_that_is_a_root_file_system_goes_through_tar",
    "an archive or a folder that": "cli/test_image.py::test_an_archive_that_cannot_be_opened_is_named",
    "--image NAME": HERE + "test_verify_takes_an_image_that_is_here",
    "image rm --engine docker": CONTRACT + "engine_choice.py::test_ls_shows_both_and_rm_is_careful",
    "--engine local, whose store": CONTRACT + "engine_choice.py::test_the_hint_of_docker_leads_to_the_local_store",
    "check the name; if the registry": CONTRACT + "docker.py::test_credentials_of_dockers_client",
    # Folders and programs of light-runner and of the machine
    "chmod go-w it": HERE + "test_a_folder_that_others_may_write_is_closed",
    "chmod go-w '%s'": HERE + "test_a_folder_that_others_may_write_is_closed",
    "set HOME, or LIGHT_RUNNER_DATA_DIR": HERE + "test_a_user_without_a_home_names_a_folder",
    "set LIGHT_RUNNER_STATE_DIR": HERE + "test_a_user_without_a_home_names_a_folder",
    "LIGHT_RUNNER_DATA_DIR to a folder": "cli/test_doctor.py::test_a_store_that_is_read_only",
    "set TMPDIR": CONTRACT + "full_disk.py::test_no_room_for_output_that_waits",
    "unset %s": HERE + "test_a_runtime_that_a_variable_names",
    "set LIGHT_RUNNER_SUPERVISOR": HERE + "test_helpers_that_are_elsewhere_are_named",
    "in LIGHT_RUNNER_LIBEXEC": HERE + "test_helpers_that_are_elsewhere_are_named",
    "apt-get install e2fsprogs": HERE + "test_the_package_of_a_hint_has_what_is_missing",
    "apt-get install passt": HERE + "test_the_package_of_a_hint_has_what_is_missing",
    "apt-get install skopeo": HERE + "test_the_package_of_a_hint_has_what_is_missing",
    "apt-get install erofs-utils": HERE + "test_the_package_of_a_hint_has_what_is_missing",
    "apt-get install golang-github": HERE + "test_the_package_of_a_hint_has_what_is_missing",
    "a folder that root can write to": HERE + "test_ranges_of_ids_take_a_folder_that_can_be_written",
    "mount it, or boot": HERE + "test_a_controller_that_is_not_mounted",
    "mount -o remount,rw,bind": "cli/test_doctor.py::test_a_fix_fixes",
    "%s; or run with --network none": "cli/test_doctor.py::test_a_fix_fixes",
    "run with --network none": "cli/test_doctor.py::test_a_tier_in_which_no_network_interface_comes_up",
    "--allow-unenforced": "cli/test_rootless.py::test_the_command_of_the_hint_hands_the_limits_over",
    "--setup-runtime runc": CONTRACT + "setup_steps.py::test_in_a_stronger_tier_they_must_be_allowed_by_name",
    "chmod go-w '%.200s'": CONTRACT + "gpus.py::test_a_spec_that_others_can_write_is_refused",
    # Docker
    "or set DOCKER_HOST; or use --engine local": HERE + "test_a_daemon_that_is_not_there",
    "DOCKER_HOST to unix": HERE + "test_an_address_that_is_none_is_set_to_one",
    "leave out --disk": CONTRACT + "docker.py::test_a_storage_that_takes_the_cap_and_forgets_it",
    "docker network create %s": CONTRACT + "docker_hints.py::test_a_network_that_is_not_there",
    "docker network rm": CONTRACT + "docker.py::test_a_default_network_of_somebody_elses_making",
    "the next run makes it": CONTRACT + "docker.py::test_a_default_network_of_somebody_elses_making",
    "use https:// or tcp://": CONTRACT + "docker.py::test_an_address_without_tls_where_tls_is_asked_for",
    # Setup
    "leave Docker out: --no-docker": "cli/test_setup_gvisor.py::test_without_docker",
    "or a date with a number": "cli/test_setup_gvisor.py::test_a_release",
}
NOT_EXECUTED = {
    # Settings of the machine that a test cannot change and restore
    "modprobe": "a module that is loaded cannot be hidden from the kernel, and tests load none",
    "cgroup2 at": "the machine has the one hierarchy or the other, and a kernel with both is needed to change that",
    "uidmap": "newuidmap is in place where the tests of users run, and they have lines in /etc/subuid",
    "run as root": "the same tests run as root, and as a user",
    "it as root": "the same tests run as root, and as a user",
    "usermod -aG docker": "changes the users of the machine, and takes a new login",
    "systemctl": "the tests start daemons of their own, which are no service",
    "journalctl": "the tests start daemons of their own, which are no service",
    "daemon.json": "what it says of a tier is done by setup gvisor: cli/test_setup_gvisor.py",
    "light-runner setup gvisor": "downloads a release; with a mirror of the test's own: cli/test_setup_gvisor.py",
    "--prefix with a folder": "downloads a release; with a mirror of the test's own: cli/test_setup_gvisor.py",
    "Kata Containers": "takes a machine with KVM",
    "--memory 512m": "boots a VM for a minute where there is no KVM",
    "--runtime kata, or": "boots a VM for a minute where there is no KVM",
    "linux-image-cloud": "the kernel of VMs is the machine's",
    "those in /lib/modules": "the kernel of VMs is the machine's",
    "use --runtime runsc": "another tier is another promise: which tiers work is doctor's to say",
    "use --runtime runc": "another tier is another promise: which tiers work is doctor's to say",
    "accelerator, or use --engine local": "takes a machine with KVM",
    "nvidia": "takes a GPU and its driver",
    "gpus": "takes a GPU and its driver",
    "all, a count": "which values are taken is in contract/test_gpus.py, with specs of its own",
    "spec": "the specs of a GPU come with its driver",
    "Write the spec anew": "the specs of a GPU come with its driver",
    "write one, ": "the specs of a GPU come with its driver",
    "write it anew": "the specs of a GPU come with its driver",
    "put the file itself there": "the specs of a GPU come with its driver",
    # Programs that are not in the tests' image
    "install libcurl": "the library is linked to the tests' own programs",
    "install a kernel of 5.12 or later": "the tests need a kernel that has the launcher's calls",
    "newer erofs-utils": "another version than the distribution's",
    "skopeo copy --decryption-key": "takes a key that opens the image",
    "newer Docker": "another version than the distribution's",
    "docker pull": "takes a registry and Docker's own client",
    "docker image ls": "Docker's own client",
    "docker context ls": "Docker's own client",
    "docker network ls": "Docker's own client",
    "docker rm -f": "Docker's own client; that the container is over is what cannot be seen then",
    "update %s": "another version than the one that is tested",
    "for that architecture": "another machine",
    "ssh -nNT": "takes a second machine",
    "a network that no other run is in": "takes a daemon that keeps the containers of a network together",
    "netavark": "another version of Podman than the distribution's",
    # Reported only after a fault that no test can cause from outside
    "use --engine local or --engine docker": "flags and documents are checked before, with the names in the message",
    "use --engine docker": "see --engine local: an engine that lacks something is the other's neighbour",
    "one JSON value": "of the C API, whose fields are checked in unit/test_document.c",
    "wait for its answer": "two actions on one run at the same moment",
    "wait for other runs": "takes thousands of runs at once",
    "it takes a cgroup": "a run that has none cannot be paused: cli/test_rootless.py",
    "leave out --cpu-timeout": "a run that has no cgroup: cli/test_rootless.py; other tests leave it out",
    "light-runner doctor": "it is the last resort; what doctor says is done in cli/test_doctor.py",
    "noNewPrivileges": "the option is what the run wants to be without: hostile/test_missing_filter.py",
    "gets one, or image import FILE": "a run that has a registry to ask says how that has ended instead",
    "use an image that has": "another image than the one that is wanted",
    "letters, digits": "which names are taken is in unit/test_image.c and unit/test_request.c",
    "NAME of one of them": "done in cli/test_image_formats.py, whose images are several",
    "fix the step": "the step is the user's own",
    "open another session": "takes 65535 commands",
    "with light-runner session put": "done in contract/test_session.py; that it is said, in contract/test_session_files.py",
    "give the pool more entries": "of the C API, and a matter of time: contract/test_pool.py",
    "leave out -t": "both are done in contract/test_terminal.py",
    "try again": "what has failed once may fail again",
    "check the release": "the release is the user's own",
    "check the network": "the network is the machine's",
    "use https://: the digests": "takes a mirror with a certificate that the machine trusts",
    # The C API
    "lrun_": "of the C API: unit/",
    "LRUN_": "of the C API: unit/",
    "%s_init()": "of the C API: unit/",
    "must be of the same version": "two versions of light-runner at once",
    "not of one version": "two versions of light-runner at once",
}


def test_each_hint_is_executed_or_there_is_a_reason():
    every = {text for found in (calls(r"\berror_hint\("), tables()) for _, text in found if re.search(r"[a-z]{3}", text)}
    every -= {"Docker", "light-runner"}  # parts of other words
    assert len(every) > 100
    unknown = [text for text in sorted(every) if not any(part in text for part in (*EXECUTED, *NOT_EXECUTED))]
    assert not unknown, "execute them in test_hints_help.py, or say here why not:\n" + "\n".join(unknown)
    stale = [part for part in (*EXECUTED, *NOT_EXECUTED) if not any(part in text for text in every)]
    assert not stale, "no hint says this any more:\n" + "\n".join(stale)


def test_the_tests_that_execute_hints_are_there():
    for part, place in EXECUTED.items():
        path, _, name = place.partition("::")
        with open(os.path.join(ROOT, "tests", path), encoding="utf-8") as file:
            assert name and f"def {name}(" in file.read(), (part, place)


def test_packages_of_hints_are_those_that_are_installed():
    with open(os.path.join(ROOT, "scripts", "packages.txt"), encoding="utf-8") as file:
        packages = set(re.findall(r"[a-z0-9][a-z0-9.+-]+", re.sub(r"#.*", "", file.read())))
    named = {word for _, hint in hints() for words in re.findall(r"apt-get install ([a-z0-9.+ -]+)", hint)
             for word in re.split(r" or | \(", words)[0].split()}
    assert len(named) >= 5 and named <= packages | ELSEWHERE, named - packages

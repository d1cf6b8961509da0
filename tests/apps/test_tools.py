# SPDX-License-Identifier: MIT
# Bad input for the command-line tools: each wrong thing has its message and its exit code.

import json
import os
import subprocess

import lablib
from apptest import Skip, equal, lab_with, needs, no_lab

CTL = lablib.BUILD / "eta-ctl"
FW = lablib.BUILD / "eta_fw"
AGENTD = lablib.BUILD / "eta-agentd"
RUN = lablib.BUILD / "eta-run"
USAGE, NOT_RUNNING, NO_PRIVILEGE, NO_INTERFACE = 2, 3, 4, 5


def call(*command, agent="/nonexistent/agent.sock", user=None):
    environment = {**os.environ, "ETA_AGENT": agent}
    return subprocess.run(
        list(map(str, command)), env=environment, capture_output=True, text=True, timeout=20,
        check=False, user=user, stdin=subprocess.DEVNULL,
    )


def says(result, code, *words):
    said = result.stderr + result.stdout
    equal(result.returncode, code, f"exit code (it said: {said.strip()})")
    missing = [w for w in words if w not in said]
    equal(missing, [], f"words missing in {said.strip()!r}")


@no_lab
def test_ctl_wrong_options():
    for arguments in ([], ["nonsense"], ["status", "--wrong"], ["up"], ["why", "abc"],
                      ["up", "--port", "af_xdp:lo", "--idle", "doze"],
                      ["up", "--port", "carrier-pigeon:1"], ["up", "--port", "tap:"]):
        says(call(CTL, *arguments), USAGE)


@no_lab
def test_ctl_help_names_every_command():
    says(call(CTL, "--help"), 0, "up", "down", "status", "ss", "stats", "why", "exit codes")


@no_lab
def test_ctl_agent_missing():
    for command in ("status", "ss", "stats"):
        says(call(CTL, command), NOT_RUNNING, "no agent", "/nonexistent/agent.sock")
    answer = call(CTL, "status", "--json")
    equal(json.loads(answer.stdout)["code"], NOT_RUNNING, "code in the JSON answer")


@no_lab
def test_ctl_interface_missing():
    says(call(CTL, "up", "--port", "af_xdp:nosuch0"), NO_INTERFACE, "nosuch0")


@no_lab
def test_ctl_processor_missing():
    says(call(CTL, "up", "--port", "tap:t0", "--cpu", "999"), 1, "processor 999")


@no_lab
def test_ctl_no_privilege():
    nobody = 65534
    if call("/usr/bin/test", "-x", CTL, user=nobody).returncode != 0:
        raise Skip("the build directory is not readable for others")
    says(call(CTL, "up", "--port", "tap:t0", user=nobody), NO_PRIVILEGE, "CAP_NET_ADMIN")
    says(call(CTL, "down", user=nobody), NO_PRIVILEGE, "CAP_NET_ADMIN")


@no_lab
def test_fw_wrong_options():
    for arguments in (["--wrong"], ["--port"], [], ["--port", "nonsense"], ["--cpu", "x"],
                      ["--port", "tap:t0", "--idle", "doze"]):
        result = call(FW, *arguments)
        if result.returncode == 0 or result.returncode > 100:
            raise AssertionError(f"eta_fw {arguments}: exit code {result.returncode}")
        if not result.stderr.strip():
            raise AssertionError(f"eta_fw {arguments}: no message")


@no_lab
def test_fw_agent_missing():
    says(call(FW, "--cpu", "0", "--port", "tap:t0"), 1, "agent")


def test_fw_port_missing(lab):
    lab.fw("stop")
    result = lab.run("os", FW, "--cpu", "0", "--port", "af_xdp:nosuch0", check=False, timeout=20)
    says(result, 1, "nosuch0")


def test_fw_started_twice(lab):
    result = lab.run("os", FW, "--cpu", "0", "--port", "af_xdp:port0", check=False, timeout=20)
    equal(result.returncode != 0, True, "a second accelerator fails")
    if not result.stderr.strip():
        raise AssertionError("a second accelerator says nothing")
    equal(lab.ctl("status")["accelerated"], True, "the first one goes on")


def test_ctl_started_twice(lab):
    result = lab.run("os", CTL, "up", "--port", "af_xdp:port0", check=False)
    says(result, 1, "already")


@no_lab
def test_agentd_wrong_options():
    nowhere = ["--socket", "/nonexistent/dir/agent.sock", "--foreground"]
    for arguments in (["--wrong"], ["--socket"], nowhere):
        result = call(AGENTD, *arguments)
        if result.returncode == 0 or not (result.stderr + result.stdout).strip():
            raise AssertionError(f"eta-agentd {arguments}: exit code {result.returncode}")


def test_agentd_started_twice(lab):
    socket = lab.env["ETA_AGENT"]
    result = lab.run("os", AGENTD, "--foreground", "--socket", socket, check=False, timeout=20)
    equal(result.returncode != 0, True, "a second agent fails")
    equal(lab.ctl("status")["accelerated"], True, "the first one goes on")


@no_lab
def test_run_wrong_options():
    says(call(RUN), USAGE, "usage")
    says(call(RUN, "--wrong", "true"), USAGE)
    result = call(RUN, "/nonexistent/program")
    equal(result.returncode, 127, "exit code when the program does not exist")


@no_lab
def test_run_passes_exit_codes_on():
    equal(call(RUN, "sh", "-c", "exit 42").returncode, 42, "exit code")


@needs("nginx")
@lab_with(port="os")
def test_lab_refuses_a_name_in_use(lab):
    result = lab.lab("up", "--port", "os")
    says(result, 1, "up already")


@no_lab
def test_lab_wrong_options():
    lab = [lablib.LAB_SH]
    for arguments in (["nonsense"], ["up", "--port", "smoke"], ["up", "--wrong", "x"], [],
                      ["up", "--port"], ["--name", "a/b", "up"], ["up", "--idle", "doze"]):
        says(call(*lab, *arguments), USAGE)
    says(call(*lab, "--name", "notthere", "client", "true"), 3, "not up")
    equal(call(*lab, "--name", "notthere", "down").returncode, 0, "down of nothing")


@no_lab
def test_up_and_down_by_eta_ctl():
    name = f"c{os.getpid()}"
    lab = lablib.Lab(name, port="os", offloads="off")
    with lab:
        environment = {"ETA_AGENT": f"{lab.temp}/run/agent.sock"}
        port = ["up", "--port", "af_xdp:port0"]
        status = lambda: lab.run("os", CTL, "status", "--json", env=environment, check=False)
        equal(status().returncode, NOT_RUNNING, "status before up")
        lab.run("os", CTL, *port, env=environment)
        try:
            equal(json.loads(status().stdout)["accelerated"], True, "status after up")
            says(lab.run("os", CTL, *port, env=environment, check=False), 1, "already")
        finally:
            lab.run("os", CTL, "down", env=environment)
        equal(status().returncode, NOT_RUNNING, "status after down")
        equal(lab.run("os", CTL, "down", env=environment, check=False).returncode, NOT_RUNNING,
              "down when nothing runs")


def test_labs_stand_side_by_side(lab):
    with lablib.Lab(f"{lab.name}b", port="tap") as other:
        for one in (lab, other):
            equal(one.ctl("status")["accelerated"], True, f"status in {one.name}")
        equal(other.env["ETA_AGENT"] != lab.env["ETA_AGENT"], True, "agents differ")
    equal(lab.ctl("status")["accelerated"], True, "status of the one that stays")


def test_stats_have_sentences(lab):
    counters = lab.ctl("stats")["counters"]
    bad = [n for n, c in counters.items() if not c["sentence"].endswith(".")]
    equal(bad, [], "counters without a sentence")

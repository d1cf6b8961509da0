# SPDX-License-Identifier: MIT
# Sources of the in-process tests, relative to the top of the tree. Include from anywhere; needs
# nothing but the variables it sets.

# The agent's rules (C), the accelerator without process and real ports, the application side.
HARNESS_C := $(sort $(patsubst $(TOP)/%,%,$(wildcard $(TOP)/kmod/core/*.c)))
HARNESS_FW := $(addprefix accel_fw/,control.cc demux.cc engine.cc loop.cc raw_path.cc) \
	$(sort $(patsubst $(TOP)/%,%,$(wildcard $(addprefix $(TOP)/accel_fw/,dti/*.cc ip/*.cc mem/*.cc \
	tcp/*.cc wire/*.cc))))
HARNESS_AL := userlib/dti.cc userlib/dti_events.cc userlib/dti_stream.cc
HARNESS_CC := $(addprefix tests/harness/,frame.cc fw_host.cc program.cc sim_host.cc sim_link.cc \
	sim_port.cc)
LAB_CC := tests/harness/lab.cc tests/harness/peer.cc

SCENARIO_CC := tests/scenario/main.cc $(sort $(patsubst $(TOP)/%,%,$(wildcard $(TOP)/tests/scenario/*_test.cc)))
HOSTILE_CC := tests/hostile/main.cc $(sort $(patsubst $(TOP)/%,%,$(wildcard $(TOP)/tests/hostile/*_test.cc)))
SIM_CC := $(sort $(patsubst $(TOP)/%,%,$(wildcard $(TOP)/tests/sim/*.cc)))

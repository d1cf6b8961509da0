# SPDX-License-Identifier: MIT
# Variables shared by every Makefile: TOP (absolute), BUILD, compilers, flags. Holds no rules.
# A Makefile in folder a/b includes ../../scripts/common.mk and is run by `make -C a/b`.

TOP := $(abspath $(dir $(lastword $(MAKEFILE_LIST)))/..)
BUILD ?= $(TOP)/build
UAPI := $(TOP)/uapi
PREFIX ?= /usr/local
DESTDIR ?=

CC := gcc
CXX := g++
AR := gcc-ar
CLANG ?= clang
PKG_CONFIG ?= pkg-config

# WERROR= on the command line keeps warnings from stopping a build with another compiler.
WERROR ?= -Werror
OPT ?= -O2
WARN := -Wall -Wextra $(WERROR)
INC := -I$(UAPI) -I$(TOP)/accel_fw -I$(TOP)/userlib/include -iquote $(TOP)/userlib

# Dependencies are written beside each object by -MMD; include them with -include.
ETA_CFLAGS := -std=gnu11 $(OPT) -g $(WARN) -MMD -MP $(INC) -I$(TOP)/kmod/core
ETA_CXXFLAGS := -std=c++20 $(OPT) -g $(WARN) -MMD -MP -fno-exceptions -fno-rtti $(INC)
# eta-ctl and the tests may use exceptions.
ETA_CXXFLAGS_EXC := -std=c++20 $(OPT) -g $(WARN) -MMD -MP $(INC)

# Debug kind of build used by tests. g++ 12 warns wrongly about std::regex under sanitizers.
SAN := -O1 -fsanitize=address,undefined -fno-sanitize=vptr -fno-sanitize-recover=undefined \
    -fno-omit-frame-pointer -Wno-maybe-uninitialized

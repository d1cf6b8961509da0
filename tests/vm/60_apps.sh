# SPDX-License-Identifier: MIT
# nginx and redis, unmodified, accelerated with the module: the same as `vm.sh demo`.
DEMO_BIG=10240:10MB sh /tests/demo.sh

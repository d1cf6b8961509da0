# SPDX-License-Identifier: MIT
# nginx and redis, unmodified, accelerated with the module: the same as `vm.sh demo`.
sh /tests/demo.sh

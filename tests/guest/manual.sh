#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# manual.sh FOLDER: the manual's examples, where there is a driver: each does what it is for. TAP.

n=0
for program in "$1"/*.[37]; do
	n=$((n + 1))
	name=$(basename "$program")
	if "$program" >out 2>err && ! [ -s err ]; then
		echo "ok $n - the example of $name"
	else
		echo "not ok $n - the example of $name"
		sed 's/^/# /' out err | head -20
	fi
done
echo "1..$n"

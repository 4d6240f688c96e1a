#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# udev.sh: does udev, with our rule, give the device node to group systrace? In the
# virtual machine, with udevadm, which is also the daemon, and 60-systrace.rules beside it.

n=0
bad=0

is() {
	n=$((n + 1))
	got=$(stat -c '%U:%G %a' /dev/systrace)
	if [ "$got" = "$1" ]; then
		echo "ok $n - $2: $1"
	else
		echo "not ok $n - $2: $got instead of $1"
		bad=1
	fi
}

# What the daemon makes of the device, once it is done with everything
apply() {
	./udevadm control --reload &&
	./udevadm trigger --action=add --settle /sys/class/misc/systrace ||
		echo "Bail out! udevadm failed"
}

mkdir -p /run/udev /etc/udev/rules.d /usr/lib/udev/rules.d /usr/lib/systemd
ln -s "$PWD/udevadm" /usr/lib/systemd/systemd-udevd
/usr/lib/systemd/systemd-udevd --daemon || echo "Bail out! no udevd"

chown root:root /dev/systrace
chmod 600 /dev/systrace
apply
is 'root:root 660' 'without the rule'
cp 60-systrace.rules /etc/udev/rules.d/
apply
is 'root:systrace 660' 'with it'
echo "1..$n"
exit $bad

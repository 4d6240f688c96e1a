#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Runs in the machine, in the initramfs, when a Debian system is mounted on /disk that
# init is about to go over to: takes along what a test needs and that may not have. What
# it has stays, the libraries above all: its programs were made for them.

set -e

cp -a /vm /disk/
mkdir -p /disk/usr/local/bin /disk/etc
cp /usr/local/bin/* /disk/usr/local/bin/

cd /usr
for dir in lib lib32 lib64 libx32; do
	mkdir -p "/disk/usr/$dir"
	[ -e "/disk/$dir" ] || ln -s "usr/$dir" "/disk/$dir"
done
find lib lib32 lib64 libx32 -type f -o -type l | while read -r file; do
	[ ! -e "/disk/$file" ] || continue
	mkdir -p "/disk/${file%/*}"
	cp -a "$file" "/disk/$file"
done

for file in passwd group; do
	while IFS=: read -r name rest; do
		grep -qs "^$name:" "/disk/etc/$file" ||
			echo "$name:$rest" >>"/disk/etc/$file"
	done <"/etc/$file"
done
mkdir -p /disk/root /disk/home
[ -e /disk/home/user ] || cp -a /home/user /disk/home/

for dir in proc sys dev tmp run; do
	mkdir -p "/disk/$dir"
	mount -o move "/$dir" "/disk/$dir"
done

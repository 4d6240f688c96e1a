# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Sourced by what fills the cache, ${XDG_CACHE_HOME:-~/.cache}/systrace, with packages of
# any Debian suite: by an apt of its own, which needs no root, and whatever the machine
# has installed or asks of its own apt plays no role.

cache=${XDG_CACHE_HOME:-$HOME/.cache}/systrace

die() {
	echo "${0##*/}: $*" >&2
	exit 1
}

# have DIR COMMAND...: runs COMMAND, which makes DIR.new, unless DIR is there. Others
# that want the same wait, those that want something else don't.
have() {
	local dir=$1
	shift
	[ ! -e "$dir" ] || return 0
	mkdir -p "$cache"
	exec 9>"$dir.lock"
	flock 9
	if [ ! -e "$dir" ]; then
		rm -rf "$dir.new" "$dir.new".debs.*
		"$@"
		mv "$dir.new" "$dir"
	fi
	exec 9>&-
}

# archives: the addresses of Debian's archive and of its security archive, the ones
# that this machine has
archives() {
	local found debian=${DEBIAN_MIRROR-} security=${DEBIAN_SECURITY_MIRROR-}
	# shellcheck disable=SC2016 # apt's own variables
	found=$(apt-get indextargets --format '$(ORIGIN) $(LABEL) $(REPO_URI)' 2>/dev/null | sort -u)
	debian=${debian:-$(awk '$1 == "Debian" && $2 == "Debian" && NF == 3 { print $3; exit }' \
		<<<"$found")}
	security=${security:-$(awk '$2 == "Debian-Security" { print $3; exit }' <<<"$found")}
	[ -n "$debian" ] || die "apt knows no archive of Debian: run 'apt-get update', or set" \
		"DEBIAN_MIRROR to one"
	echo "$debian" "$security"
}

# sources SUITE: for apt's sources.list
sources() {
	local base=${1%-backports} debian security
	local keys=/usr/share/keyrings/debian-archive-keyring.gpg
	read -r debian security < <(archives)
	[ -n "$debian" ] || exit 1
	echo "deb [signed-by=$keys] $debian $base main"
	[ "$base" = "$1" ] || echo "deb [signed-by=$keys] $debian $1 main"
	[ "$base" = sid ] || [ -z "$security" ] ||
		echo "deb [signed-by=$keys] $security $base-security main"
}

# make_apt DIR SUITE ARCHITECTURE
make_apt() {
	mkdir -p "$1"/{lists,archives}/partial
	sources "$2" >"$1/sources.list"
	# Security updates are as wanted as the suite. A mirror may lag: what it has must be
	# signed, not new. As root apt would switch to a user that may not write here.
	cat >"$1/apt.conf" <<-END
		APT::Architecture "$3";
		APT::Architectures { "$3"; };
		APT::Default-Release "/^$2(-security)?\$/";
		APT::Sandbox::User "root";
		Acquire::Check-Valid-Until "false";
		Acquire::Languages "none";
		Dir::State "$1";
		Dir::State::status "/dev/null";
		Dir::Cache "$1";
		Dir::Etc::SourceList "$1/sources.list";
		Dir::Etc::SourceParts "/dev/null";
		Dir::Etc::PreferencesParts "/dev/null";
	END
	APT_CONFIG=$1/apt.conf apt-get -qq update >&2 || die "cannot read what" \
		"packages $2 has (of a suite that Debian has archived, set DEBIAN_MIRROR)"
	touch "$1/updated"
}

# use_suite SUITE [ARCHITECTURE]: from now on apt speaks of that suite, as it is today
use_suite() {
	local arch=${2:-amd64} dir
	dir=$cache/apt-$1-$arch
	mkdir -p "$cache"
	{
		flock 9
		[ -n "$(find "$dir/updated" -mmin -1440 -newer "${BASH_SOURCE[0]}" 2>/dev/null)" ] ||
			make_apt "$dir" "$1" "$arch"
	} 9>"$dir.lock"
	export APT_CONFIG=$dir/apt.conf
}

# field PACKAGE NAME [--all-versions]: that field of the version apt would install, or of
# each, the newest first. Reads all of apt-cache's output, since a broken pipe would be an
# error here.
field() {
	apt-cache show "${3:---no-all-versions}" "$1" 2>/dev/null |
		awk -v f="$2:" '$1 == f { sub(/^[^ ]* /, ""); print }'
}

# unpack DIR PACKAGE...
unpack() {
	local dir=$1 debs deb
	shift
	debs=$(mktemp -d "$dir.debs.XXXXXX")
	(cd "$debs" && apt-get -qq download "$@") >&2 || die "cannot download $*"
	for deb in "$debs"/*.deb; do
		dpkg -x "$deb" "$dir" || die "cannot unpack $deb"
	done
	rm -rf "$debs"
}

# closure PACKAGE...: those, what every Debian has, and all that these need
closure() {
	apt-get -qq --no-install-recommends -s install '?essential' "$@" |
		awk '$1 == "Inst" { print $2 }'
}

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# examples.sh FOLDER: where there is a driver, do the examples do what they are for? Those of the manual are
# in FOLDER. TAP.

n=0

# check NAME COMMAND...
check() {
	n=$((n + 1))
	name=$1
	shift
	if "$@"; then
		echo "ok $n - $name"
	else
		echo "not ok $n - $name"
		sed 's/^/# /' out err | head -20
	fi
}

# ends STATUS COMMAND...: its output is in out, its errors in err
ends() {
	want=$1
	shift
	"$@" >out 2>err
	[ $? = "$want" ]
}

quietly() {
	ends 0 "$@" && ! [ -s err ]
}

for program in "$1"/*.[37]; do
	check "the manual's $(basename "$program")" quietly "$program"
done

check 'counts' quietly ./counts sh -c 'for i in 1 2 3 4 5 6 7 8; do cat /dev/null; done; sleep 1.2'
check 'counts has a table each second' [ "$(grep -c 'system call$' out)" -ge 2 ]
check 'and names calls' grep -Eq '^ +[1-9][0-9]* +[0-9]+  execve$' out

check 'epoll-loop' quietly ./epoll-loop sh -c 'sleep 0.6; ls'
check 'epoll-loop has its timer beside it' grep -q ' s: .* events$' out
check 'and comes to the end' grep -Eq '^sh has ended: [1-9][0-9]+ events$' out

# shellcheck disable=SC2016 # that shell's own number
check 'flight-recorder, of a crash' ends 139 ./flight-recorder 10 crash sh -c 'ls >/dev/null; kill -SEGV $$'
check 'has the end' [ "$(tail -n 1 crash | cut -d ' ' -f 4-)" = 'EXIT signal=SIGSEGV' ]
check 'and what was before' grep -q ' ENTER execve(' crash
check 'flight-recorder, of no crash' ends 3 ./flight-recorder 10 none sh -c 'exit 3'
check 'writes nothing' [ ! -e none ]
check 'flight-recorder, of Ctrl-C' ends 130 setsid ./flight-recorder 10 interrupted sh -c 'kill -INT 0; sleep 5'
check 'has the end, too' [ "$(tail -n 1 interrupted | cut -d ' ' -f 4-)" = 'EXIT signal=SIGINT' ]
check 'parallel' quietly ./parallel sh -c 'ls; (ls; ls) & wait'
check 'has what each CPU had' grep -Eq '^CPU [0-9]+: [1-9][0-9]+ events, [1-9][0-9]* system calls$' out
programs="counts epoll-loop flight-recorder parallel"
if [ -e tree ]; then	# which is not built for other architectures
	programs="$programs tree"
	programs="$programs netalert"
	check 'netalert ends as the program does' ends 7 ./netalert sh -c 'cat /dev/null; sh -c "nc 127.0.0.1 9; true"; exit 7'
	check 'and tells of a connection, and who made it' \
		grep -Eq '^connect failed with ECONNREFUSED: .*, process [0-9]+\) <- .* <- .*process [0-9]+\)$' out
	check 'and of nothing else' [ "$(grep -vc '^connect' out)" = 0 ]
	evil=$(printf './x\nconnect: 0')
	printf '#!/bin/sh\nnc 127.0.0.1 9\ntrue\n' >"$evil"
	chmod +x "$evil"
	check 'netalert, of a name that forges a line' ends 0 ./netalert "$evil"
	check 'has it in a line' [ "$(grep -c '^connect failed.*(./x\\x0aconnect:\\x200,' out) $(wc -l <out)" = '1 1' ]
	check 'tree' quietly ./tree sh -c 'sleep 1.2; (ls nowhere | cat) 2>/dev/null'
	check 'tree shows what is there meanwhile' [ "$(grep -c 'after event' out)" -ge 3 ]
	check 'and in the end what has been, and how it ended' [ "$(grep -c '^ .* [1-9][0-9]*  .*\[[01]\]$' out)" -ge 4 ]
fi
for program in $programs; do
	"./$program" 2>usage && rm usage
	check "$program says how it is used" grep -q "^usage: $program " usage
done
echo "1..$n"

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# systrace-dump and agent as people use them: what they print, what passes through,
# how they end. Runs in the virtual machine; prints TAP.

# shellcheck disable=SC2016,SC2317	# sh -c expands; functions are called through check
n=0
failed=0

ok() {
	n=$((n + 1))
	echo "ok $n - $1"
}

not_ok() {
	n=$((n + 1))
	failed=1
	echo "not ok $n - $1"
	shift
	printf '%s\n' "$@" | sed 's/^/# /'
}

# check NAME COMMAND...: the command succeeds
check() {
	name=$1
	shift
	if "$@"; then ok "$name"; else not_ok "$name" "$*" "$(tail -n 5 err out 2>&1)"; fi
}

# ends NAME STATUS COMMAND...: it ends with that status; leaves out and err
ends() {
	name=$1 want=$2
	shift 2
	"$@" >out 2>err
	got=$?
	if [ $got = "$want" ]; then
		ok "$name"
	else
		not_ok "$name" "status $got instead of $want: $*" "$(cat err)"
	fi
}

# says NAME TEXT: the last command's error was one line with that text
says() {
	if [ "$(wc -l <err)" = 1 ] && grep -q -- "$2" err; then
		ok "$1"
	else
		not_ok "$1" "wanted one line with '$2'" "$(cat err)"
	fi
}

# --- every line has a form that other programs can parse ---

name='(i386:|x32:)?[a-z0-9_]+'
start='^[1-9][0-9]* [0-9]+\.[0-9]{9} [0-9]+'
word='[!-~]*'
flag='([A-Z][A-Z0-9_]*|0x[0-9a-f]+)'
value="(-?[0-9]+|$flag(\\|$flag)*|~?\\[($flag(\\|$flag)*)?\\])"
forms="$start (ENTER $name\\(($value(, $value)*)?\\)\
|RETURN $name = (-?[0-9]+|0x[0-9a-f]+|-[0-9]+ [A-Z0-9_]+)\
|FORK child=[0-9]+ tgid=[0-9]+ flags=$flag(\\|$flag)*\
|EXEC oldtid=[0-9]+ comm=$word file=$word\
|EXIT (status=[0-9]+|signal=SIG[A-Z0-9_]+)\
|SIGNAL signo=SIG[A-Z0-9_]+ code=-?[0-9]+\
|TASK tgid=[0-9]+ ppid=[0-9]+ comm=$word exe=$word\
|LOST count=[0-9]+ cause=[a-z-]+ cpu=[0-9]+\
|DETACH reason=[a-z-]+)\$"

well_formed() {
	! grep -Evq "$forms" "$1"
}

# The numbers are 1, 2, 3 ...
dense() {
	awk '$1 != NR { wrong = 1 } END { exit wrong || !NR }' "$1"
}

# A LOST stands in place of each gap, under the gap's last number; EXIT is there in any case.
accounted() {
	awk '$4 == "LOST" {
		lost = 1
		wrong = wrong || $6 != "cause=overwritten"
		seq += substr($5, length("count=") + 1) - 1
	     }
	     {
		wrong = wrong || $1 != ++seq
		last = $4
	     }
	     END { exit wrong || !lost || last != "EXIT" }' "$1"
}

# The last line of err counts what file has.
summed() {
	lines=$(grep -vc ' LOST ' "$1")
	tail -n 1 err | grep -Eq "^systrace-dump: $lines events, [0-9]+ lost, [1-9][0-9]* tasks\$"
}

form() {
	ends 'a pipeline, traced' 0 systrace-dump -o trace sh -c 'ls / | sort | wc -l >/dev/null'
	check 'every line is well-formed' well_formed trace
	check 'the numbers are dense' dense trace
	check 'the last line counts events and tasks' summed trace
	check 'the only execve of the command comes first' \
		grep -q '^2 .* ENTER execve(' trace
	check 'children are followed' [ "$(grep -c ' EXIT status=0$' trace)" = 4 ]
	ends 'without -o events go to standard output' 0 systrace-dump true
	check 'and are well-formed there' well_formed out
}

# --- what the command does passes through ---

passes() {
	ends 'status 3 passes' 3 systrace-dump -o trace sh -c 'echo out; echo err >&2; exit 3'
	check 'so does its output' [ "$(cat out)" = out ]
	check 'and its error' [ "$(head -n 1 err)" = err ]
	ends 'dump dies of the signal that killed the command' 137 \
		systrace-dump -o trace sh -c 'kill -9 $$'
	check 'and tells it' grep -q ' EXIT signal=SIGKILL$' trace
	echo input >in
	check 'input passes' [ "$(systrace-dump -o trace cat <in 2>/dev/null)" = input ]
	ends 'a child in the background is followed to its end' 0 \
		systrace-dump -o trace sh -c '(sleep 0.3; touch late) & exit 0'
	check 'which came' [ -e late ]
	check 'and was seen' [ "$(grep -c ' EXIT ' trace)" -ge 3 ]
}

# The shell has background jobs ignore SIGINT, so dump is in the foreground here, and
# what interrupts it is not.
interrupt_when() {
	while [ ! -e ready ]; do sleep 0.1; done
	kill -INT "$1$(cat pid)"
}

# A terminal sends SIGINT to all of the foreground group.
interrupted() {
	rm -f ready
	interrupt_when - &
	ends 'SIGINT reaches the command, whose status passes' 7 \
		setsid sh -c 'echo $$ >pid; exec systrace-dump -o trace sh -c \
		"trap \"exit 7\" INT; touch ready; while :; do sleep 0.1; done"'
	check 'SIGINT is in the trace' grep -q ' SIGNAL signo=SIGINT ' trace
	check 'the trace is counted to the end' summed trace
	rm -f ready
	interrupt_when '' &
	ends 'so it does if it is sent to dump alone' 7 \
		sh -c 'echo $$ >pid; exec systrace-dump -o trace setsid sh -c \
		"trap \"exit 7\" INT; touch ready; while :; do sleep 0.1; done"'
}

# A terminal that goes tells nobody but who leads its session.
hung_up() {
	rm -f ready
	ends 'that a terminal is gone reaches the command' 8 \
		./hangup ready systrace-dump -o trace sh -c \
		'trap "exit 8" HUP; touch ready; for i in 1 2 3 4 5 6 7 8 9; do sleep 1; done'
}

# --- options ---

options() {
	ends 'only some calls' 0 systrace-dump -o trace -e getppid,getpid -- \
		sh -c 'echo $PPID; exec true'
	check 'nothing else is there' \
		[ "$(grep -E ' (ENTER|RETURN) ' trace | grep -Evc ' getp?pid| getppid')" = 0 ]
	ends 'an unknown call' 125 systrace-dump -e getppid,nonsense true
	says 'is named' nonsense
	ends 'a class of calls' 0 systrace-dump -o trace -e '%file,!execve' -- sh -c 'exec cat /dev/null'
	check 'has its calls' grep -q ' ENTER open' trace
	check 'and no others' [ "$(grep -cE ' (ENTER|RETURN) (execve|read|mmap)[( ]' trace)" = 0 ]
	ends 'a class, and then less of it' 0 systrace-dump -o trace -e %file -e '!execve' -- \
		sh -c 'exec cat /dev/null'
	check 'has the rest of it' grep -q ' ENTER open' trace
	check 'alone' [ "$(grep -cE ' (ENTER|RETURN) (execve|read|mmap)[( ]' trace)" = 0 ]
	ends 'arguments as numbers' 0 systrace-dump -x -o trace cat /dev/null
	check 'has no words' [ "$(grep -c 'O_RDONLY' trace)" = 0 ]
	check 'but numbers' grep -Eq ' ENTER close\(0x[0-9a-f]+\)' trace
	ends 'arguments in words' 0 systrace-dump -o trace cat /dev/null
	check 'has these' grep -Eq ' ENTER open(at)?\(.*O_RDONLY' trace
	ends 'what the driver can do' 0 systrace-dump --info
	check 'is said' grep -q '^when a ring is full: drop overwrite' out
	costs='nothing: no task is traced'
	case $(uname -v) in
	*PREEMPT_RT*) costs='a probe each while any task is traced' ;;	# mask=0 is the default there
	esac
	check 'and what it costs others' grep -q "costs: $costs" out
	ends 'an unknown policy' 125 systrace-dump -F nonsense true
	says 'is named, too' nonsense
	for policy in drop overwrite block block:500; do
		ends "-F $policy" 0 systrace-dump -o trace -F $policy true
		check 'loses nothing' summed trace
	done
	ends 'a flight recorder' 0 systrace-dump -o trace -b 4096 -F overwrite -- \
		sh -c 'for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do : <trace; done'
	check 'says what is gone, where it is gone' accounted trace
	for policy in block: block:0 block:x block:4294967295 drop:5; do
		ends "-F $policy is refused" 125 systrace-dump -F $policy true
		says 'in one line' "-F $policy"
	done
	for bytes in 0 5000 x 4096x 1E; do
		ends "-b $bytes is refused" 125 systrace-dump -b $bytes true
		says "in one line" '-b'
	done
	ends 'small rings will do' 0 systrace-dump -o trace -b 4096 true
	ends 'sizes have suffixes' 0 systrace-dump -o trace -b 64K true
	ends 'no command, no pid' 125 systrace-dump
	ends 'an unknown option' 125 systrace-dump -Q true
	ends '-h helps' 0 systrace-dump -h
	check 'on standard output' grep -q '^usage: systrace-dump' out
}

# --- errors ---

errors() {
	ends 'a command that is not there' 127 systrace-dump nosuchcommand
	says 'is named' nosuchcommand
	: >plain
	ends 'a file that cannot be executed' 126 systrace-dump ./plain
	says 'is explained' 'ermission denied'
	ends 'a pid that is gone' 125 systrace-dump -p 99999
	says 'is explained, too' 'No such process'
	ends 'a pid that is none' 125 systrace-dump -p x
	ends 'an output file that cannot be' 125 systrace-dump -o /nowhere/trace true
	says 'is named, too' /nowhere/trace
	rm -f ran
	ends 'no room for the output' 125 systrace-dump -o /dev/full sh -c 'touch ran'
	check 'does not keep the command from running' [ -e ran ]
	rm -f ran
	ends 'an output that may not grow' 125 sh -c 'ulimit -f 8
		exec systrace-dump -o trace sh -c "ls -R /proc/self >/dev/null 2>&1; touch ran"'
	check 'is named' grep -q 'trace: File too large' err
	check 'does not, either' [ -e ran ]
	ends 'nobody to tell' 125 sh -c 'systrace-dump --info >/dev/full'
	says 'is said' 'standard output: No space left'
	rm -f ran
	systrace-dump sh -c 'sleep 0.3; ls -R /proc/self >/dev/null 2>&1; touch ran' 2>err | true
	sleep 1
	check 'nor does an output that nobody reads' [ -e ran ]
}

unprivileged() {
	user=$(awk -F: '$3 == 1000 { print $1 }' /etc/passwd)
	ends 'without permission for the device' 125 su "$user" -c 'systrace-dump true'
	says 'it says what to do' 'ermission denied.*group'
	chmod 666 /dev/systrace
	ends 'a user with permission traces their own' 0 \
		su "$user" -c 'systrace-dump -o trace-user true'
	check 'well-formed' well_formed trace-user
	ends "but not others'" 125 su "$user" -c 'systrace-dump -p 1'
	says 'and is told' 'not permitted'
	chmod 660 /dev/systrace
}

without_driver() {
	rmmod systrace
	ends 'without the driver' 125 systrace-dump true
	says 'it says what to do' 'No such file.*load'
	insmod ./systrace.ko
}

# --- attach ---

attach() {
	sh -c 'while :; do sleep 0.05; done' &
	victim=$!
	rm -f ready
	{ sleep 1; touch ready; } &
	interrupt_when '' &
	ends 'after -p SIGINT is a normal end' 0 \
		sh -c 'echo $$ >pid; exec systrace-dump -o trace -p '$victim
	check 'what was there is described' \
		grep -q " $victim TASK tgid=$victim ppid=$$ comm=sh exe=/" trace
	check 'children born meanwhile are followed' grep -q " $victim FORK child=" trace
	check 'the detach is told' grep -q " $victim DETACH reason=asked" trace
	check 'the trace is well-formed' well_formed trace
	check 'and dense' dense trace
	check 'the task lives on' kill -0 $victim
	kill $victim
}

# A container comes and goes: its processes are moved into a cgroup that is traced.
cgroup() {
	ends 'a cgroup that is not there' 125 systrace-dump -g nobody
	says 'is named in full' '/sys/fs/cgroup/nobody: No such file'
	ends 'a folder that is no cgroup' 125 systrace-dump -g /proc
	says 'is explained' 'no folder of cgroup v2'
	mkdir /sys/fs/cgroup/container
	systrace-dump -o trace -g container 2>err &
	dump=$!
	: >trace
	until grep -q ' EXEC ' trace && grep -q ' TASK tgid=.* exe=$' trace; do
		sh -c 'echo $$ >/sys/fs/cgroup/container/cgroup.procs; /bin/busybox true'
	done
	until rmdir /sys/fs/cgroup/container 2>/dev/null; do sleep 0.1; done
	wait $dump
	check 'a cgroup that is removed ends the trace' [ $? = 0 ]
	check 'who joined it was traced' grep -q ' TASK tgid=.* exe=$' trace
	check 'with what it ran' grep -q ' EXEC oldtid=.* file=/bin/busybox' trace
	check 'to its end' grep -q ' EXIT status=0' trace
	check 'and nothing else was' [ "$(grep ' TASK ' trace | grep -Evc ' comm=(sh|busybox) ')" = 0 ]
}

# A program's name cannot forge a line.
forge() {
	evil=$(printf '%b' './a b\n1 2.000000000 3 EXIT status=0\0134')
	printf '#!/bin/sh\n' >"$evil"
	chmod +x "$evil"
	systrace-dump -o trace "$evil" 2>err
	check 'names are escaped' \
		grep -qF 'file=./a\x20b\x0a1\x202.000000000\x203\x20EXIT\x20status=0\x5c' trace
	check 'so that every line is well-formed' well_formed trace
	check 'and the numbers are dense' dense trace
}

# --- the agent without the library ---

agent() {
	ends 'the agent traces a command' 5 ./agent sh -c 'ls / | wc -l >count; exit 5'
	check 'its numbers are dense' dense out
	check 'it sees all three processes end' [ "$(grep -c ends out)" -ge 3 ]
	ends 'the agent says how it is used' 125 ./agent
	says 'in one line' 'usage: agent'
}

form
passes
interrupted
hung_up
options
errors
attach
cgroup
forge
unprivileged
without_driver
agent
echo "1..$n"
exit $failed

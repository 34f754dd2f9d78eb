package inspect

import (
	"fmt"
	"io/fs"
	"math"
	"strconv"
	"strings"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/plural"
)

// Severity says how bad a finding is.
type Severity uint8

// The severities, which are also the exit codes of a Nagios plugin.
const (
	Fine     Severity = iota // nothing to do
	Warning                  // something will go wrong
	Critical                 // something goes wrong now
)

// String returns "ok", "warning" or "critical".
func (s Severity) String() string { return [...]string{"ok", "warning", "critical"}[min(s, Critical)] }

// Finding is something that is wrong, or will be, and what to do about it.
type Finding struct {
	Check    string // a word: "shmmni", "removeipc", "world-writable", "orphans" …
	Severity Severity
	Text     string // what is wrong
	Remedy   string // a command line, or a sentence; "" if there is none
}

// The share of a limit from which it is worth a warning, and from which it is critical.
const (
	nearLimit = 80
	atLimit   = 95
)

// Diagnose looks for what is wrong with the objects and limits of a snapshot, and with the settings of
// the machine, which it reads from the files below root ("" for /).
func Diagnose(s *Snapshot, root string) []Finding {
	d := &diagnosis{Snapshot: s, root: root}
	d.limits()
	d.queues()
	d.waits()
	d.generations()
	d.modes()
	d.unfinished()
	d.abandoned()
	d.unused()
	d.settings()
	return d.found
}

type diagnosis struct {
	*Snapshot
	root  string
	found []Finding
}

func (d *diagnosis) add(check string, severity Severity, remedy, format string, args ...any) {
	d.found = append(d.found, Finding{check, severity, fmt.Sprintf(format, args...), remedy})
}

// limits tells of limits that are nearly reached, which error comes of it, and the sysctl line that
// doubles them.
func (d *diagnosis) limits() {
	seg, sem, msg := &d.Limits.Segments, &d.Limits.Semaphores, &d.Limits.Queues
	semline := func(mns, mni int) string {
		return fmt.Sprintf("sysctl -w kernel.sem='%d %d %d %d'", sem.MaxPerSet, mns, sem.MaxOps, mni)
	}
	for _, l := range []struct {
		name, what, errno string
		used, max         uint64
		remedy            string
	}{
		{"shmmni", "segments", "shmget(2) fails with ENOSPC", uint64(seg.InUse), uint64(seg.Max), fmt.Sprintf("sysctl -w kernel.shmmni=%d", double(seg.Max, mostIDs))},
		{"shmall", "pages of segments", "shmget(2) fails with ENOSPC", seg.Pages, seg.MaxPages, fmt.Sprintf("sysctl -w kernel.shmall=%d", doubled(seg.MaxPages))},
		{"semmni", "semaphore sets", "semget(2) fails with ENOSPC", uint64(sem.InUse), uint64(sem.Max), semline(sem.MaxTotal, double(sem.Max, mostIDs))},
		{"semmns", "semaphores of all sets", "semget(2) fails with ENOSPC", uint64(sem.InTotal), uint64(sem.MaxTotal), semline(double(sem.MaxTotal, math.MaxInt32), sem.Max)},
		{"msgmni", "queues", "msgget(2) fails with ENOSPC", uint64(msg.InUse), uint64(msg.Max), fmt.Sprintf("sysctl -w kernel.msgmni=%d", double(msg.Max, mostIDs))},
	} {
		if l.max == 0 {
			d.add(l.name, Critical, l.remedy, "kernel limit %s is 0: every %s", l.name, l.errno)
			continue
		}
		percent := float64(l.used) / float64(l.max) * 100
		text := fmt.Sprintf("%d of %d %s are in use (%s): when all are, %s", l.used, l.max, l.what, l.name, l.errno)
		switch {
		case percent >= atLimit:
			d.add(l.name, Critical, l.remedy, "%s", text)
		case percent >= nearLimit:
			d.add(l.name, Warning, l.remedy, "%s", text)
		}
	}
	if seg.MaxSize < smallestMax {
		d.add("shmmax", Warning, "sysctl -w kernel.shmmax=18446744073692774399", "a segment can have at most %d bytes (shmmax): a larger one fails with EINVAL", seg.MaxSize)
	}
	if msg.MaxMessage > msg.DefaultMaxBytes {
		d.add("msgmax", Warning, fmt.Sprintf("sysctl -w kernel.msgmnb=%d", msg.MaxMessage), "a message may have %d bytes (msgmax), and a new queue holds %d (msgmnb): a larger message fails with EINVAL", msg.MaxMessage, msg.DefaultMaxBytes)
	}
}

const (
	mostIDs     = 32768 // IPCMNI, without ipcmni_extend
	smallestMax = 1 << 20
)

func double(n, most int) int {
	if n >= most {
		return n
	}
	return max(1, min(2*n, most))
}

func doubled(n uint64) uint64 {
	if n > math.MaxUint64/2 {
		return n
	}
	return max(1, 2*n)
}

// queues tells of queues that are full, where senders wait or get EAGAIN.
func (d *diagnosis) queues() {
	for i := range d.Objects {
		o := &d.Objects[i]
		q := o.Queue
		if q == nil || q.MaxBytes <= 0 {
			continue
		}
		if used := float64(max(q.Bytes, q.Messages)) / float64(q.MaxBytes) * 100; used >= atLimit {
			set := "or sysvipc set"
			if 2*q.MaxBytes > d.Limits.Queues.DefaultMaxBytes {
				set = "or as root, since it is more than kernel.msgmnb: sysvipc set"
			}
			d.add("queue-full", Warning, fmt.Sprintf("sysvipc msg drain %s, %s %s --qbytes %d", o.Ref(), set, o.Ref(), 2*q.MaxBytes),
				"%s holds %s, %d of %d bytes: senders wait, or fail with EAGAIN", o.Ref(), plural.Of(q.Messages, "message"), q.Bytes, q.MaxBytes)
		}
	}
}

// waits tells of probable deadlocks, of receivers that wait beside messages, and of waits for processes that have ended.
func (d *diagnosis) waits() {
	rings, firsts, told := map[int][]string{}, map[int]int{}, map[string]bool{}
	for i := range d.Waits {
		w := &d.Waits[i]
		if w.Cycle != 0 {
			if firsts[w.Cycle] == 0 {
				firsts[w.Cycle] = w.PID
			}
			rings[w.Cycle] = append(rings[w.Cycle], fmt.Sprintf("process %d on %s", w.PID, w.Ref()))
		}
		if w.Stuck() && !told[w.Ref()] {
			told[w.Ref()] = true
			d.add("stuck", Warning, "sysvipc waits "+w.Ref(), "process %d waits on %s to %s, and its messages have other types", w.PID, w.Ref(), w.What())
		}
	}
	for i := range d.Waits {
		w := &d.Waits[i]
		if w.Operation == Send || !w.ForDead() || told[w.Ref()] {
			continue
		}
		told[w.Ref()] = true
		text := fmt.Sprintf("process %d waits on %s to %s, and %s %s", w.PID, w.Ref(), w.What(), &w.Holders[0], w.Holders[0].Why)
		if w.Operation == Operate {
			text += ": what it took without undo stays taken, unless a producer is still to come"
		}
		d.add("dead-holder", Warning, endOf(w), "%s", text)
	}
	for _, n := range sortedKeys(rings) {
		d.add("deadlock", Critical, fmt.Sprintf("see \"sysvipc waits\", and end one of them, such as: kill %d", firsts[n]), "these wait for one another, probably: %s", strings.Join(rings[n], ", "))
	}
}

// generations tells of processes that use a removed segment while others use a new one with its key.
func (d *diagnosis) generations() {
	for _, g := range d.Generations {
		d.add("generations", Warning, "restart the processes that \"sysvipc who "+g.Removed.Ref()+"\" shows",
			"%s is removed and still used, and %s has its key %s by now: the users of the two do not share memory", g.Removed.Ref(), g.Current.Ref(), g.Removed.FormerKey)
	}
}

// modes tells of objects that everybody may write, unless their protocol wants it so.
func (d *diagnosis) modes() {
	d.many("world-writable", func(o *Object) bool {
		return o.Mode&0o002 != 0 && (o.Product == nil || o.Product.Name != referenceClock)
	},
		"everybody may change", "sysvipc set %s --mode 0660")
}

// Unfinished is the mode of an object that "sysvipc restore" has not finished: one that was killed leaves it.
const Unfinished fs.FileMode = 0o611

// unfinished tells of objects that are not whole.
func (d *diagnosis) unfinished() {
	d.many("unfinished", func(o *Object) bool { return o.Mode == Unfinished },
		"not whole, left by a restore that was killed, or is at it, are", "restore them again, which replaces them, or sysvipc rm %s")
}

// abandoned tells of sets without a key whose users have ended all together, as a server leaves them that was killed:
// Apache's belong to the user of its children and were made by root, whose processes never end, so they stay candidates.
func (d *diagnosis) abandoned() {
	type siblings struct {
		names []string
		n     int
	}
	found := map[[2]int]*siblings{} // by owner and creator
	var order [][2]int
	for i := range d.Objects {
		o := &d.Objects[i]
		if o.Set == nil || o.Key != sysvipc.Private || o.Verdict.Class != Candidate || len(o.Users) == 0 {
			continue
		}
		owner := [2]int{o.UID, o.CUID}
		if found[owner] == nil {
			found[owner], order = &siblings{}, append(order, owner)
		}
		s := found[owner]
		if s.n++; s.n <= mostNamed {
			s.names = append(s.names, o.Ref())
		}
	}
	for _, owner := range order {
		s, made := found[owner], ""
		if owner[1] != owner[0] {
			made = ", made by " + userName(owner[1])
		}
		d.add("abandoned", Warning, fmt.Sprintf("if that server does not run, or was started again since: sysvipc gc --include candidate --owner %d --yes", owner[0]),
			"a server of %s was killed, probably: all processes that operated on %s%s have ended, and no program can find them by a key: %s",
			userName(owner[0]), plural.Of(s.n, "semaphore set"), made, and(s.names, s.n))
	}
}

// unused tells of orphans and candidates.
func (d *diagnosis) unused() {
	d.many("orphans", func(o *Object) bool { return o.Verdict.Class == Orphan }, "nobody uses", "sysvipc gc")
	d.many("candidates", func(o *Object) bool { return o.Verdict.Class == Candidate }, "nobody seems to use", "sysvipc gc --include candidate")
	d.many("removed", func(o *Object) bool {
		return o.Segment != nil && o.Segment.Destroyed && o.Explained == 0 && o.Segment.Attaches > 0
	}, "removed, and attached by processes that cannot be seen, are", "sysvipc who %s")
}

// many is one warning for all objects that something holds for. A %s in the remedy is the first.
func (d *diagnosis) many(check string, holds func(*Object) bool, text, remedy string) {
	const named = 5
	var names []string
	n := 0
	for i := range d.Objects {
		if holds(&d.Objects[i]) {
			if n++; len(names) < named {
				names = append(names, d.Objects[i].Ref())
			}
		}
	}
	if n == 0 {
		return
	}
	if strings.Contains(remedy, "%s") {
		remedy = fmt.Sprintf(remedy, names[0])
	}
	more := ""
	if n > len(names) {
		more = fmt.Sprintf(" and %d more", n-len(names))
	}
	d.add(check, Warning, remedy, "%s %s: %s%s", text, plural.Of(n, "object"), strings.Join(names, ", "), more)
}

// Errnos are the errors whose causes [ExplainErrno] knows.
func Errnos() []string {
	return []string{"ENOSPC", "EINVAL", "E2BIG", "EAGAIN", "ERANGE", "ENOMEM", "EPERM", "ENOSYS"}
}

// ExplainErrno says what can be behind an error of a call that makes or uses objects, with the limits as they are now; nil
// for an error that is not of [Errnos].
func ExplainErrno(lim sysvipc.Limits, errno string) []string {
	seg, sem, msg := lim.Segments, lim.Semaphores, lim.Queues
	num := func(n int) string { return strconv.Itoa(n) }
	u := func(n uint64) string {
		if n >= math.MaxInt64/2 {
			return "unlimited"
		}
		return strconv.FormatUint(n, 10)
	}
	switch strings.ToUpper(errno) {
	case "ENOSPC":
		return []string{
			"shmget(2): " + num(seg.InUse) + " of " + num(seg.Max) + " segments (kernel.shmmni), " + u(seg.Pages) + " of " + u(seg.MaxPages) + " pages (kernel.shmall) are in use",
			"semget(2): " + num(sem.InUse) + " of " + num(sem.Max) + " sets (kernel.sem, number 4), " + num(sem.InTotal) + " of " + num(sem.MaxTotal) + " semaphores (kernel.sem, number 2) are in use",
			"semop(2) with SEM_UNDO: no memory for the undo list",
			"msgget(2): " + num(msg.InUse) + " of " + num(msg.Max) + " queues (kernel.msgmni) are in use",
		}
	case "EINVAL":
		most := "or of more than " + u(seg.MaxSize) + " bytes (kernel.shmmax), "
		if seg.MaxSize >= math.MaxInt64/2 {
			most = "" // unlimited
		}
		return []string{
			"shmget(2): a size of 0, " + most + "or more than an existing segment has",
			"semget(2): no semaphore, or more than " + num(sem.MaxPerSet) + " (kernel.sem, number 1), or more than an existing set has",
			"msgsnd(2): more than " + num(msg.MaxMessage) + " bytes (kernel.msgmax), or a type below 1",
			"any call with an ID: the object was removed",
		}
	case "E2BIG":
		return []string{
			"semop(2): more than " + num(sem.MaxOps) + " operations (kernel.sem, number 3)",
			"msgrcv(2): the message is larger than the buffer, and stays on the queue",
		}
	case "EAGAIN":
		return []string{
			"msgsnd(2): the queue is full: msg_qbytes, which is " + num(msg.DefaultMaxBytes) + " for a new queue (kernel.msgmnb)",
			"semop(2): it would have to wait, and IPC_NOWAIT or a timeout was given",
		}
	case "ERANGE":
		return []string{
			"semop(2): a semaphore would become larger than 32767 (SEMVMX): something gives more often than it takes, see \"sysvipc show\"",
			"semop(2) with SEM_UNDO: what the process would have to undo is beyond 32767: take and give must both carry SEM_UNDO",
			"semctl(2): SETVAL or SETALL with a value below 0 or above 32767",
		}
	case "ENOMEM":
		return []string{
			"shmget(2), shmat(2): no memory or no address space: see \"ulimit -v\", vm.overcommit_memory, and memory.max of the control group; " + u(seg.Pages) + " of " + u(seg.MaxPages) + " pages of segments (kernel.shmall) are in use",
			"shmget(2) with SHM_HUGETLB: not enough huge pages (vm.nr_hugepages)",
			"shmctl(2) SHM_LOCK: more than \"ulimit -l\" (RLIMIT_MEMLOCK)",
			"semget(2), semop(2), msgget(2), msgsnd(2): the kernel, or the control group, has no memory for it",
		}
	case "EPERM":
		return []string{
			"IPC_RMID, IPC_SET: only the owner, the creator or CAP_SYS_ADMIN may; \"sysvipc ls\" shows owner and creator",
			"msgctl(2) IPC_SET: msg_qbytes above " + num(msg.DefaultMaxBytes) + " (kernel.msgmnb) needs CAP_SYS_RESOURCE",
			"shmget(2) with SHM_HUGETLB: needs CAP_IPC_LOCK, or a group of vm.hugetlb_shm_group",
			"shmctl(2) SHM_LOCK: needs CAP_IPC_LOCK, or \"ulimit -l\" above 0",
			"semop(2), msgsnd(2), msgrcv(2), shmat(2): never by the kernel itself: a sandbox (seccomp) forbids the call",
		}
	case "ENOSYS":
		return []string{
			"any call: the kernel is built without CONFIG_SYSVIPC, or a sandbox (seccomp, gVisor, WSL 1) has no such call",
			"msgrcv(2) with MSG_COPY: the kernel is built without CONFIG_CHECKPOINT_RESTORE",
			"a call by its own number before Linux 5.1, on 386, s390x, ppc64 and mips: those have ipc(2) only",
		}
	}
	return nil
}

package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/plural"
)

// shownHolders is how many holders a message lists.
const shownHolders = 20

// explain turns the error of take into one for people. If all slots are taken, it says
// by whom.
func (l *lock) explain(ctx context.Context, c *Config, err error) error {
	var own *cli.Error
	switch {
	case errors.As(err, &own):
		return err
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return ctx.Err()
	case errors.Is(err, sysvipc.ErrRemoved):
		return cli.Fail(cli.ExitRunFailed, "run: lock %q was removed meanwhile (%w)", l.name, err)
	case err != errBusy:
		return cli.Fail(cli.ExitRunFailed, "run: lock %q: %w", l.name, err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "run: lock %q is taken", l.name)
	if l.slots > 1 {
		b.Reset()
		fmt.Fprintf(&b, "run: lock %q: all %d slots are taken", l.name, l.slots)
	}
	if c.Timeout > 0 {
		fmt.Fprintf(&b, ", after %v of waiting", c.Timeout)
	}
	holders := l.holders()
	for i, h := range holders {
		if i == shownHolders {
			fmt.Fprintf(&b, "\n  and %d more", len(holders)-i)
			break
		}
		b.WriteString("\n  " + h)
	}
	if n := l.slots - len(holders); n > 0 {
		fmt.Fprintf(&b, "\n  %s given back, or changing hands, just now: try again", plural.Of(n, "slot"))
	}
	return cli.Fail(c.Busy, "%s", b.String())
}

// holders describes who has the slots that are taken now.
func (l *lock) holders() []string {
	values, err := l.set.Values()
	if err != nil {
		return []string{"held by a process that cannot be found out: " + err.Error()}
	}
	var all []string
	for i := 1; i < len(values); i++ {
		if values[i] != 0 {
			continue
		}
		if h := l.holder(i); h != "" {
			all = append(all, h)
		}
	}
	return all
}

// holder describes who has a slot, or returns "" if it was given back meanwhile.
func (l *lock) holder(i int) string {
	who := "held by "
	if l.slots > 1 {
		who = fmt.Sprintf("slot %d: ", i)
	}
	slot := l.set.At(i)
	pid, err := slot.LastPID()
	switch {
	case err != nil:
		return who + err.Error()
	case pid == 0:
		return who + "a process that cannot be seen from here (in another container?)"
	}
	p, ok := readProcess(pid)
	if v, err := slot.Value(); err == nil && v != 0 {
		return ""
	}
	if !ok {
		return fmt.Sprintf("%sprocess %d, which has ended and not given it back: it was taken without undo, or the values were set by hand. Mend it with \"sysvipc rm %s\" when nobody runs under it", who, pid, ref(l.name))
	}
	who += fmt.Sprintf("process %d", pid)
	if p.user != "" {
		who += " of " + p.user
	}
	// Nobody operates on a lock with one slot while it is held: waiting does not count.
	since, word := p.started, "started"
	if st, err := l.set.Stat(); err == nil && l.slots == 1 && !st.Operated.IsZero() {
		since, word = st.Operated, "since"
	}
	if !since.IsZero() {
		ago := max(time.Since(since).Truncate(time.Second), 0)
		who += fmt.Sprintf(", %s %s (%v)", word, since.Format(time.DateTime), ago)
	}
	return who + ": " + p.command
}

// process is what /proc tells of a holder.
type process struct {
	command string
	user    string    // empty if not known
	started time.Time // zero if not known
}

// readProcess returns false if there is no such process, or only its remains.
func readProcess(pid int) (process, bool) {
	dir := fmt.Sprintf("/proc/%d/", pid)
	stat, err := os.ReadFile(dir + "stat")
	// The name of the program stands in brackets, and may contain any of these signs.
	begin, end := strings.IndexByte(string(stat), '('), strings.LastIndexByte(string(stat), ')')
	if err != nil || begin < 0 || end < begin {
		return process{}, false
	}
	name := string(stat[begin+1 : end])
	fields := strings.Fields(string(stat[end+1:]))
	if len(fields) < 20 || ended(fields[0], fields[17]) {
		return process{}, false
	}
	p := process{command: "[" + printable(name) + "]"}
	if line, err := os.ReadFile(dir + "cmdline"); err == nil && len(line) > 0 {
		p.command = commandLine(string(line))
	}
	if ticks, err := strconv.ParseInt(fields[19], 10, 64); err == nil {
		p.started = startTime(ticks)
	}
	if status, err := os.ReadFile(dir + "status"); err == nil {
		if uids := strings.Fields(field(string(status), "Uid:")); len(uids) > 0 {
			p.user = userName(uids[0])
		}
	}
	return p, true
}

// ended reports whether nothing of a process runs any more. In the instant of execve(2) its
// first thread may be a zombie, while the one that called it goes on.
func ended(state, threads string) bool {
	return state == "X" || state == "Z" && threads == "1"
}

// field returns the rest of the line that begins with name.
func field(text, name string) string {
	_, rest, ok := strings.Cut("\n"+text, "\n"+name)
	if !ok {
		return ""
	}
	line, _, _ := strings.Cut(rest, "\n")
	return line
}

// startTime turns what /proc/PID/stat counts, hundredths of a second since the machine
// started, into a time.
func startTime(ticks int64) time.Time {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return time.Time{}
	}
	boot, err := strconv.ParseInt(strings.TrimSpace(field(string(stat), "btime")), 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(boot, ticks%100*int64(10*time.Millisecond)).Add(time.Duration(ticks/100) * time.Second)
}

// commandLine joins the arguments as a person would type them, for a line of a terminal.
func commandLine(raw string) string {
	const most = 200
	args := strings.Split(strings.TrimRight(raw, "\x00"), "\x00")
	for i, a := range args {
		args[i] = shellWord(a)
	}
	line := []rune(printable(strings.Join(args, " ")))
	if len(line) > most {
		return string(line[:most]) + "…"
	}
	return string(line)
}

// shellWord puts a word into quotes where a shell would do something else with it.
func shellWord(s string) string {
	if s != "" && !strings.ContainsAny(s, " \t\n#'\"\\$&|;<>()[]{}*?!~`") {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// printable replaces what a terminal might obey.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}

// userName looks a user up in /etc/passwd: package os/user would bring in the C library.
func userName(uid string) string {
	passwd, err := os.ReadFile("/etc/passwd")
	if err == nil {
		for line := range strings.Lines(string(passwd)) {
			if f := strings.SplitN(line, ":", 4); len(f) == 4 && f[2] == uid {
				return printable(f[0])
			}
		}
	}
	return "user " + uid
}

// ownerOf says whose lock it is, for those who may not use it.
func ownerOf(name string) string {
	set, err := sysvipc.OpenSemaphores(Key(name))
	if err == nil {
		if st, err := set.Stat(); err == nil {
			maker := ""
			if st.CUID != st.UID {
				maker = "made by " + userName(strconv.Itoa(st.CUID)) + ", "
			}
			return fmt.Sprintf("%s (%smode %04o)", userName(strconv.Itoa(st.UID)), maker, uint32(st.Mode))
		}
	}
	return "a user who cannot be found out"
}

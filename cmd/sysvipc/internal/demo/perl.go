package demo

import (
	"context"
	"embed"
	"os/exec"
	"strconv"
	"strings"

	"github.com/sysvipc/sysvipc"
)

// perlPrograms are the page's programs, cut at the places where another process can go
// on. Perl reads them from standard input.
//
//go:embed perl/*.pl
var perlPrograms embed.FS

// tellPerl has Perl programs and this command share objects, in both directions.
func tellPerl(t *tour) {
	perl, missing := findPerl(t.ctx)
	if missing != "" {
		t.say(missing + " This chapter is left out; all others need no Perl.")
		return
	}
	t.say(`The page's programs again, in Perl itself (in cmd/sysvipc/internal/demo/perl). Each object is
		made here and used from both sides.`)
	p := perlTour{t, perl}
	p.segment()
	t.gap()
	p.semaphore()
	t.gap()
	p.queue()
}

// findPerl returns the path of a Perl that has the calls, or says what is missing.
func findPerl(ctx context.Context) (perl, missing string) {
	perl, err := exec.LookPath("perl")
	if err != nil {
		return "", "There is no perl on this machine."
	}
	const test = `use Config; exit !($Config{d_shm} && $Config{d_sem} && $Config{d_msg})`
	if err := exec.CommandContext(ctx, perl, "-e", test).Run(); err != nil {
		return "", "The perl of this machine was built without System V IPC."
	}
	return perl, ""
}

// perlTour is a tour with a Perl.
type perlTour struct {
	*tour
	perl string
}

// program starts one of the page's programs on an object.
func (p perlTour) program(background string, name string, id int, args ...string) *child {
	text := valueOf(perlPrograms.ReadFile("perl/" + name))(p.tour)
	args = append([]string{strconv.Itoa(id)}, args...)
	cmd := exec.Command(p.perl, append([]string{"-"}, args...)...)
	cmd.Stdin = strings.NewReader(string(text))
	return p.launch(shellLine("perl", append([]string{name}, args...))+background, cmd)
}

// runProgram runs one of the page's programs to its end and returns what it wrote.
func (p perlTour) runProgram(name string, id int, args ...string) string {
	return p.finish(p.program("", name, id, args...))
}

func (p perlTour) segment() {
	ref, id := p.make("mk", "shm", "--size", "2000")
	seg := sysvipc.SegmentByID(id)
	p.runProgram("shm_write.pl", seg.ID())
	checkEqual(p.tour, p.run("shm", "read", ref, "--length", "60", "--text"), "Message #1", "Perl has written, Go has read the same")
	const reply = "Message #2"
	p.run("shm", "write", ref, reply, "--pad", "60")
	got := p.runProgram("shm_read.pl", seg.ID(), reply)
	checkEqual(p.tour, got, "read : '"+reply+"'\nswell", "Go has written, Perl has read the same: swell, as the page says")
}

func (p perlTour) semaphore() {
	ref, id := p.make("mk", "sem", "--init", "0")
	set := sysvipc.SemaphoresByID(id)
	sem := set.At(0)
	waits := func() (bool, error) {
		_, zero, err := sem.Waiters()
		return zero == 1, err
	}
	p.runProgram("take.pl", set.ID())
	checkEqual(p.tour, valueOf(sem.Value())(p.tour), 1, "Perl has taken")
	c := p.start("sem", "op", ref, "0=0", "0+1")
	p.until("Go's take waits", c, waits)
	p.runProgram("give.pl", set.ID())
	p.finish(c)
	p.check(true, "Go's take was blocked: the kernel counted it, and it went on when Perl gave")
	c = p.program(" &", "take.pl", set.ID())
	p.until("Perl's take waits", c, waits)
	p.run("sem", "op", ref, "0-1")
	checkEqual(p.tour, p.finish(c), "taken", "Perl's take was blocked: the kernel counted it, and it went on when Go gave")
	checkEqual(p.tour, valueOf(sem.Value())(p.tour), 1, "the value is 1: Perl has it")
}

func (p perlTour) queue() {
	ref, id := p.make("mk", "msg")
	queue := sysvipc.QueueByID(id)
	p.runProgram("msg_send.pl", queue.ID())
	checkEqual(p.tour, p.run("msg", "recv", ref, "--with-type"), "1234\tmessage", "Perl has sent, Go has received text and type")
	p.run("msg", "send", ref, "message", "--type", "4321")
	checkEqual(p.tour, p.runProgram("msg_receive.pl", queue.ID()), "4321 message", "Go has sent, Perl has received text and type")
}

package demo

import (
	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/cli"
)

// tellQueue is the page's last program: msgsnd and msgrcv with a type in front.
func tellQueue(t *tour) {
	t.say(`The page packs a type and a text into one string, sends it, and receives it
		again. A type says what a message is about, and a receiver may choose by it.`)
	ref, id := t.make("mk", "msg")
	queue := sysvipc.QueueByID(id)

	t.run("msg", "send", ref, "message", "--type", "1234")
	got := t.run("msg", "recv", ref, "--with-type")
	checkEqual(t, got, "1234\tmessage", "text and type arrive in another process as they were sent")

	t.gap()
	for _, m := range [][2]string{{"3", "when you have time"}, {"1", "urgent"}, {"2", "soon"}} {
		t.run("msg", "send", ref, m[1], "--type", m[0])
	}
	checkEqual(t, valueOf(queue.Stat())(t).Messages, 3, "three messages wait, and no process with them")
	checkEqual(t, t.run("msg", "recv", ref, "--type", "2"), "soon", "by type: only type 2, though it was sent last")
	checkEqual(t, t.run("msg", "recv", ref, "--up-to", "9"), "urgent", "by priority: the lowest type up to 9")
	checkEqual(t, t.run("msg", "recv", ref), "when you have time", "in order: whatever is first")
	code, _ := t.fails("msg", "recv", ref, "--nowait")
	checkEqual(t, code, cli.ExitWouldBlock, "the queue is empty: who will not wait gets exit code %d", cli.ExitWouldBlock)
}

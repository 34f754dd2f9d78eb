package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/top"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// The pictures in docs/img are frames of a machine with a little of everything:
//
//	SYSVIPC_PICTURES=write go test ./cmd/sysvipc -run TopPictures
func TestTopPictures(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	busyMachine(t)
	for _, c := range []struct {
		file    string
		lines   int
		arguing func(*top.Model)
	}{
		{"top.svg", 18, func(m *top.Model) {}},
		{"top-detail.svg", 20, func(m *top.Model) {
			m.Open(sysvipc.KindSemaphores, 0)
			m.Tab("inside")
		}},
	} {
		const columns = 110
		machine := theMachine()
		machine.Name = "db1"
		m := top.New(machine, top.Paint{}, time.Second)
		c.arguing(m)
		frame := watched(t, m, columns, c.lines)
		picture := top.SVG(frame, columns, c.lines)
		if !strings.Contains(picture, "deadlock") && !strings.Contains(picture, "DEADLOCK") {
			t.Errorf("%s does not tell of the deadlock:\n%s", c.file, frame)
		}
		if os.Getenv("SYSVIPC_PICTURES") == "write" {
			if err := os.WriteFile("../../docs/img/"+c.file, []byte(picture), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// busyMachine makes objects of many kinds, and a deadlock: each of two processes holds a lock that the other waits for.
func busyMachine(t *testing.T) {
	t.Helper()
	for _, name := range []string{"ledger", "journal"} {
		t.Cleanup(func() {
			if set, err := sysvipc.OpenSemaphores(sysvipc.KeyOf("run/" + name)); err == nil {
				set.Remove()
			}
		})
	}
	var first []*exec.Cmd
	var inputs []*os.File
	for _, pair := range [][2]string{{"ledger", "journal"}, {"journal", "ledger"}} {
		cmd := command(t, "run", "--name", pair[0], "--", "sh", "-c", "echo held; read go; exec sysvipc run --name "+pair[1]+" -- sleep 100")
		theirs, ours, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		said, says, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stdin, cmd.Stdout = theirs, says
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
		if _, err := said.Read(make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
		first, inputs = append(first, cmd), append(inputs, ours)
	}
	for i, cmd := range first {
		if _, err := inputs[i].WriteString("go\n"); err != nil {
			t.Fatal(err)
		}
		for n := 0; n == 0; {
			n, _ = ipctest.Blocked(cmd.Process.Pid)
		}
	}
	for i, name := range []string{"orders", "invoices", "audit"} {
		q, err := sysvipc.CreateQueue(sysvipc.KeyOf(name), 0o660)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { q.Remove() })
		for j := range 3 * i {
			if err := q.Send(t.Context(), int64(1+j%3), []byte("a line of "+name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i, name := range []string{"cache", "session store", "", ""} {
		key := sysvipc.Private
		if name != "" {
			key = sysvipc.KeyOf(name)
		}
		seg, err := sysvipc.CreateSegment(key, 1<<(16+2*i), 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { seg.Remove() })
	}
}

// watched looks at the machine some times while it works, and returns the last frame.
func watched(t *testing.T, m *top.Model, columns, lines int) string {
	t.Helper()
	m.Update(tea.WindowSizeMsg{Width: columns, Height: lines})
	q, err := sysvipc.OpenQueue(sysvipc.KeyOf("orders"))
	if err != nil {
		t.Fatal(err)
	}
	seg, err := sysvipc.OpenSegment(sysvipc.KeyOf("cache"))
	if err != nil {
		t.Fatal(err)
	}
	var attached []*sysvipc.Memory
	for i, depth := range []int{0, 2, 5, 9, 12, 8, 3, 6, 11, 14, 9, 7} {
		st, err := q.Stat()
		if err != nil {
			t.Fatal(err)
		}
		for n := st.Messages; n < depth; n++ {
			if err := q.Send(t.Context(), 1, []byte("an order")); err != nil {
				t.Fatal(err)
			}
		}
		for n := st.Messages; n > depth; n-- {
			if _, err := q.Receive(t.Context(), sysvipc.Any); err != nil {
				t.Fatal(err)
			}
		}
		if i%3 == 0 {
			mem, err := seg.Attach(nil)
			if err != nil {
				t.Fatal(err)
			}
			attached = append(attached, mem)
		}
		snap, err := snapshot(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		snap.Time = snap.Time.Add(time.Duration(i-11) * time.Second) // as if a second had gone by between two looks
		m.Show(snap)
	}
	m.Load()
	frame := m.Frame()
	for _, mem := range attached {
		if err := mem.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return frame
}

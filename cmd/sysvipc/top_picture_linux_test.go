package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/top"
	"github.com/sysvipc/sysvipc/inspect"
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
		picture := frameSVG(frame, columns, c.lines)
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
		snap, err := inspect.Take(t.Context(), nil)
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

// frameSVG turns a frame with its colours into a picture: what the README shows is what the program draws. It knows the
// attributes that [top.Paint] uses. Each character of the frame is one column wide.
func frameSVG(frame string, columns, lines int) string {
	const cellWidth, cellHeight, fontSize, margin = 8.4, 18.0, 14, 12.0
	var b strings.Builder
	w, h := float64(columns)*cellWidth+2*margin, float64(lines)*cellHeight+2*margin
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" width="%.0f" height="%.0f" font-family="'DejaVu Sans Mono','Menlo','Consolas',monospace" font-size="%d">`+"\n", w, h, w, h, fontSize)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" rx="8" fill="%s"/>`+"\n", svgBackground)
	for y, text := range strings.Split(frame, "\n") {
		x := 0
		for _, run := range styledRuns(text) {
			n := utf8.RuneCountInString(run.text)
			left, top := margin+float64(x)*cellWidth, margin+float64(y)*cellHeight
			x += n
			fill, extra := svgColours[""], ""
			back := ""
			for _, code := range strings.Split(run.style, ";") {
				switch code {
				case "1":
					extra += ` font-weight="bold"`
				case "2":
					fill = svgDim
				case "7":
					fill, back = svgBackground, svgColours[""]
				default:
					if c, ok := svgColours[code]; ok && code != "" {
						fill = c
					}
				}
			}
			if back != "" {
				fmt.Fprintf(&b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>`+"\n", left, top, float64(n)*cellWidth, cellHeight, back)
			}
			if strings.TrimSpace(run.text) == "" {
				continue
			}
			fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" textLength="%.1f" lengthAdjust="spacingAndGlyphs" xml:space="preserve" fill="%s"%s>%s</text>`+"\n",
				left, top+cellHeight-5, float64(n)*cellWidth, fill, extra, svgEscapes.Replace(run.text))
		}
	}
	b.WriteString("</svg>\n")
	return b.String()
}

const (
	svgBackground = "#1b1f27"
	svgDim        = "#7b8594"
)

// svgColours are those of the sixteen that are used, by their code; "" is the usual one.
var svgColours = map[string]string{
	"": "#d8dee9", "31": "#f07178", "32": "#a5d66f", "33": "#ffcb6b", "34": "#82aaff", "35": "#d59bf6", "36": "#78dce8",
}

var svgEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// styledRun is text of one style: the parameters of an SGR sequence.
type styledRun struct{ style, text string }

// styledRuns are the pieces of a painted line.
func styledRuns(text string) (runs []styledRun) {
	now := ""
	for text != "" {
		before, after, found := strings.Cut(text, "\x1b[")
		if before != "" {
			runs = append(runs, styledRun{now, before})
		}
		if !found {
			break
		}
		now, text, _ = strings.Cut(after, "m")
	}
	return runs
}

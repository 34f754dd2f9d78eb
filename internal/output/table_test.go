package output

import (
	"strings"
	"testing"
)

// The last column is broken at spaces, in the midst of a word that is too long, and not at all where it would be too narrow.
func TestTableWraps(t *testing.T) {
	t.Parallel()
	table := func(width int) string {
		tab := NewTable(Left("REF"), Right("SIZE"), Left("WHY"))
		tab.Wrap(width)
		for _, cell := range []string{"shm:5", "10", "nobody has it, äußerst attached", "sem:7", "2", strings.Repeat("w", 25), "msg:0", "3", ""} {
			tab.Add(cell)
		}
		var b strings.Builder
		if err := tab.Write(&b); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	const whole = `REF    SIZE  WHY
shm:5    10  nobody has it, äußerst attached
sem:7     2  wwwwwwwwwwwwwwwwwwwwwwwww
msg:0     3
`
	const broken = `REF    SIZE  WHY
shm:5    10  nobody has it, äußerst
             attached
sem:7     2  wwwwwwwwwwwwwwwwwwwwww
             www
msg:0     3
`
	for width, want := range map[int]string{0: whole, 44: whole, 35: broken, 33 - 1: whole} {
		if got := table(width); got != want {
			t.Errorf("%d characters wide: got\n%swant\n%s", width, got, want)
		}
	}
}

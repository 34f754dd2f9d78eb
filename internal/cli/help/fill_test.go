package help

import "testing"

func TestFill(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "",
		"A paragraph of two\nlines becomes one.\n\nThe next stays apart.":                                                                                     "A paragraph of two lines becomes one.\n\nThe next stays apart.",
		"One that is wider than eighty characters, with an ä and an ö in it, is broken there and goes on.":                                                    "One that is wider than eighty characters, with an ä and an ö in it, is broken\nthere and goes on.",
		"Items:\n  short   is left\n          as it is\n  long    has more text than there is room for in a line of eighty characters\n          and goes on": "Items:\n  short   is left\n          as it is\n  long    has more text than there is room for in a line of eighty characters\n          and goes on",
		"  long    has more text than there is room for in a line of these eighty characters\n          and goes on":                                          "  long    has more text than there is room for in a line of these eighty\n          characters and goes on",
		"Commands:\n\n  a command stays as it is, and how wide it is, since it could not be copied from here":                                                 "Commands:\n\n  a command stays as it is, and how wide it is, since it could not be copied from here",
	} {
		if got := Fill(text); got != want {
			t.Errorf("Fill(%q):\ngot  %q\nwant %q", text, got, want)
		}
	}
}

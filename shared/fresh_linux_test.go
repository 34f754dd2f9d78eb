package shared_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared"
)

var maskedMaker = ipctest.Register("masked maker", func(c *ipctest.ChildEnv) {
	unix.Umask(0o077)
	for i, make := range []func(context.Context, string, *shared.Options) (*shared.Region, error){shared.EnsureFile, shared.CreateFile} {
		path := filepath.Join(c.Args[0], string(rune('a'+i)))
		r, err := make(context.Background(), path, &shared.Options{Size: 1 << 20, Perm: 0o660})
		c.Check(err)
		c.Check(r.Close())
		st, err := os.Stat(path)
		c.Check(err)
		if st.Mode().Perm() != 0o660 {
			c.Fatal(path, st.Mode())
		}
	}
	// A link to what is not there: its target is made.
	link := filepath.Join(c.Args[0], "link")
	c.Check(os.Symlink("target", link))
	r, err := shared.EnsureFile(context.Background(), link, &shared.Options{Size: 1 << 20, Perm: 0o660})
	c.Check(err)
	c.Check(r.Close())
	st, err := os.Stat(filepath.Join(c.Args[0], "target"))
	c.Check(err)
	if st.Mode().Perm() != 0o660 {
		c.Fatal(link, st.Mode())
	}
	loop := filepath.Join(c.Args[0], "loop")
	c.Check(os.Symlink("loop", loop))
	if _, err := shared.EnsureFile(context.Background(), loop, nil); !errors.Is(err, unix.ELOOP) {
		c.Fatal(loop, err)
	}
})

// The mode of a region in a file is what was asked for, as that of a segment is.
func TestFileModeBesideAUmask(t *testing.T) {
	t.Parallel()
	ipctest.Start(t, maskedMaker, nil, t.TempDir()).Finish()
}

func TestOpenNamesWhatIsNotThere(t *testing.T) {
	t.Parallel()
	if _, err := shared.Open(t.Context(), "nobody-makes-this"); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), `region "nobody-makes-this"`) {
		t.Errorf("got %v", err)
	}
}

// A region takes memory for what is in it only, whatever its size.
func TestNewRegionTouchesLittle(t *testing.T) {
	t.Parallel()
	r := ensure(t, ipctest.Key(t))
	n, err := shared.CounterOf(r, "n")
	mustDo(t, err)
	_, err = n.Add(1)
	mustDo(t, err)
	for st, err := range sysvipc.Segments() {
		mustDo(t, err)
		if st.ID == r.Segment().ID() && (st.Resident < 0 || st.Resident > 128<<10) {
			t.Errorf("it has %d bytes of memory", st.Resident)
		}
	}
}

package shared_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared"
)

// A region of huge pages is as any other, and can be left; where there are not so many, it is not
// made, and the error says how to get them.
func TestHugePages(t *testing.T) {
	t.Parallel()
	key := sysvipc.Key(ipctest.Key(t))
	_, err := shared.EnsureKey(t.Context(), key, &shared.Options{Size: 1 << 50, HugePages: 2 << 20})
	if err == nil {
		t.Fatal("a region of 1 PiB in huge pages was made")
	}
	t.Log(err)
	if errors.Is(err, syscall.ENOMEM) && !strings.Contains(err.Error(), "hugepages-2048kB/nr_hugepages") {
		t.Errorf("it does not say what to do: %v", err)
	}
	if _, err := shared.OpenKey(t.Context(), key); err == nil {
		t.Error("a region was left")
	}
	_, err = shared.EnsureFile(t.Context(), filepath.Join(t.TempDir(), "region"), &shared.Options{HugePages: 1})
	if err == nil || !strings.Contains(err.Error(), "hugetlbfs") {
		t.Errorf("a file: %v", err)
	}
	r, err := shared.EnsureKey(context.Background(), key, &shared.Options{Size: 4 << 20, HugePages: 1})
	if err != nil {
		t.Skip("needs free huge pages, and leave to use them: ", err)
	}
	c, err := shared.CounterOf(r, "c")
	mustDo(t, err)
	if n, err := c.Add(1); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	mustDo(t, r.Remove())
	mustDo(t, r.Close())
}

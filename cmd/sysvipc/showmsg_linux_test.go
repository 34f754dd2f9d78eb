package main

import (
	"strings"
	"testing"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/contents"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// A queue that is longer than what is counted is shown as that.
func TestShowLongQueue(t *testing.T) {
	t.Parallel()
	q, err := sysvipc.CreateQueue(sysvipc.Key(ipctest.Key(t)), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	for typ := range int64(3) {
		if err := q.Send(t.Context(), 1+typ, nil); err != nil {
			t.Fatal(err)
		}
	}
	for most, above := range map[int]string{2: "of the first 2 messages:\nTYPE", 3: "TYPE"} {
		c, err := contents.Count(t.Context(), q, most)
		if err != nil || c.All.Messages != most || len(c.ByType) != most {
			t.Fatalf("at most %d: got %+v, %v", most, c, err)
		}
		var b strings.Builder
		if err := writeContents(&b, c, 3); err != nil || !strings.HasPrefix(b.String(), above) {
			t.Errorf("at most %d: got %q, %v, want %q in front", most, b.String(), err, above)
		}
	}
}

package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/archive"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/listing"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/verb"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/terminal"
)

// A queue that others used while it was saved may be in the file without some of its messages: that is no success.
func TestDumpOfQueueInUse(t *testing.T) {
	t.Parallel()
	var stderr bytes.Buffer
	cmd := newDumpCommand()
	cmd.SetErr(&stderr)
	d := &dumping{dumpOptions: &dumpOptions{}, Tally: verb.Tally{Cmd: cmd, Bar: terminal.NewProgress(&stderr, 0)}, v: listing.NewView()}
	d.tellSaved(archive.Saved{Object: archive.Object{Kind: "msg", ID: 5}, InUse: true})
	if cli.ExitCode(d.First) != cli.ExitNotPermitted || !strings.Contains(stderr.String(), "msg:5 was in use while it was saved: messages may be missing") || len(d.Warnings) != 1 {
		t.Errorf("got %v, %s, %q, want exit code 4, and that messages may be missing", d.First, &stderr, d.Warnings)
	}
}

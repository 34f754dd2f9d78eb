package main

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// What another program keeps in an object is shown by its layout: with --as, and by itself where the signature is certain
// and looking changes nothing.
func TestShowForeign(t *testing.T) {
	t.Parallel()
	word := func(n uint64) string { return string(binary.NativeEndian.AppendUint64(nil, n)) }
	text := "PHP_SM\x00\x00" + word(40) + word(40+56) + word(1000-96) + word(1000) + word(7) + word(16) + word(56) + "s:9:\"\x1b[2Jhello\";"
	seg, mem := held(t, 1000)
	put(t, mem, 0, text)
	name := ref.Name(sysvipc.KindSegment, seg.ID())
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"show", name, "--as", "php"}, 0, `       7  string      16  "\u001b[2Jhello"`},
		{[]string{"show", name, "--as", "php", "-o", "json"}, 0, `"decoded":{"as":"php","php":{"bits":64,"start":40,"end":96,"free":904,"total":1000,"variables":[{"variable":7,"length":16,"php_type":"string","value":"\u001b[2Jhello"}],"whole":true,"why":null}}`},
		{[]string{"show", name, "--as", "ntp"}, 1, "it has 1000 bytes, and struct shmTime has 96"},
		{[]string{"show", name, "--as", "semian"}, 2, "--as semian is not for a segment such as " + name},
		{[]string{"show", name, "--as", "perl"}, 2, "choose one of ntp, php, semian, postgres"},
		{[]string{"show", name, "--attach"}, 2, "--attach is for --as"},
	} {
		if code, out, talk := runHere(c.args...); code != c.code || !strings.Contains(out+talk, c.want) {
			t.Errorf("%q: got exit code %d and\n%s%s, want %d and %q", c.args, code, out, talk, c.code, c.want)
		}
	}
	if ipctest.MemoryFiles() {
		before := kernelLine(t, seg.ID())
		if _, out, _ := runHere("show", name); !strings.Contains(out, "variables of PHP") || strings.Contains(out, "\x1b") {
			t.Errorf("it is not recognised, or shown as it is: %q", out)
		}
		if after := kernelLine(t, seg.ID()); after != before {
			t.Errorf("the kernel says\n%s, want as before\n%s", after, before)
		}
	}
	if err := mem.Close(); err != nil {
		t.Fatal(err)
	}
	if code, _, talk := runHere("show", name, "--as", "php"); code != cli.ExitNotPermitted || !strings.Contains(talk, "--attach attaches it") {
		t.Errorf("where no process has it attached: got exit code %d and %q", code, talk)
	}
	if code, out, talk := runHere("show", name, "--as", "php", "--attach"); code != 0 || !strings.Contains(out, "variables of PHP") {
		t.Errorf("with --attach: got exit code %d and\n%s%s", code, out, talk)
	}

	set, err := sysvipc.CreateSemaphores(sysvipc.Key(ipctest.Key(t)), 0o600, 1, 3, 5, 12)
	if err != nil {
		t.Fatal(err)
	}
	if code, out, talk := runHere("show", fmt.Sprintf("sem:%d", set.ID()), "--as", "semian"); code != 0 || !strings.Contains(out, "tickets    2 of 5 are taken\nworkers    12\n") {
		t.Errorf("semian: got exit code %d and\n%s%s", code, out, talk)
	}
}

// A segment of a product is not attached to read it, however short, since its server looks for attaches.
func TestReadProtected(t *testing.T) {
	t.Parallel()
	seg, err := sysvipc.CreateSegment(sysvipc.Key(ipctest.Key(t)), 56, 0o600) // as PostgreSQL's
	if err != nil {
		t.Fatal(err)
	}
	name, before := ref.Name(sysvipc.KindSegment, seg.ID()), kernelLine(t, seg.ID())
	file := t.TempDir() + "/file"
	for _, args := range [][]string{{"shm", "read", name}, {"dump", "-f", file, "--only", name}} {
		if code, _, talk := runHere(args...); code != cli.ExitRefused || !strings.Contains(talk, "belongs to PostgreSQL") {
			t.Errorf("%q: got exit code %d and %q, want %d", args, code, talk, cli.ExitRefused)
		}
	}
	if after := kernelLine(t, seg.ID()); after != before {
		t.Errorf("the kernel says\n%s, want as before\n%s", after, before)
	}
	if code, out, talk := runHere("shm", "read", name, "--attach"); code != 0 || len(out) != 56 {
		t.Errorf("with --attach: got exit code %d, %d bytes and %q", code, len(out), talk)
	}
}

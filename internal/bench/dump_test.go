//go:build linux && (amd64 || arm64)

package bench

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
)

// Saving a segment of 1 GiB and restoring it, beside cp(1) of a file of that size on the same disk, in turn: that of TMPDIR.
// It writes some ten GiB, so it runs only if it is asked for:
//
//	SYSVIPC_DUMP=1 go test -run '^$' -bench Dump -benchtime 5x ./internal/bench
//
// cp returns before its file is on the disk, and dump does not, unless --no-sync is given: each is compared with its like. What is
// reported are medians, and of the ratios of all turns: 2 is half the speed of cp.
func BenchmarkDump(b *testing.B) {
	if os.Getenv("SYSVIPC_DUMP") == "" {
		b.Skip("writes ten GiB: SYSVIPC_DUMP=1 asks for it")
	}
	dir := b.TempDir()
	command := filepath.Join(dir, "sysvipc")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", command, "../../cmd/sysvipc").CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, out)
	}
	for name, fill := range map[string]func([]byte){"noise": noise, "records": records} {
		b.Run(name, func(b *testing.B) { dumpAndRestore(b, command, dir, fill) })
	}
}

// noise cannot be packed.
func noise(p []byte) {
	r := rand.NewChaCha8([32]byte{})
	r.Read(p)
}

// records are what programs keep: a number, a few flags, zeros.
func records(p []byte) {
	for i := 0; i+32 <= len(p); i += 32 {
		binary.LittleEndian.PutUint64(p[i:], uint64(i/32))
		binary.LittleEndian.PutUint32(p[i+8:], uint32(rand.IntN(1000)))
	}
}

func dumpAndRestore(b *testing.B, command, dir string, fill func([]byte)) {
	const size = 1 << 30
	seg := must(sysvipc.CreateSegment(sysvipc.Private, size, 0o600))
	defer func() { check(seg.Remove()) }()
	mem := must(seg.Attach(nil))
	fill(mem.Bytes())
	plain, out, dump := filepath.Join(dir, "plain"), filepath.Join(dir, "out"), filepath.Join(dir, "dump")
	check(os.WriteFile(plain, mem.Bytes(), 0o600))
	check(mem.Close())
	ref := fmt.Sprintf("shm:%d", seg.ID())

	timed := func(name string, args ...string) float64 {
		begin := time.Now()
		if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
			b.Fatalf("%s %q: %v\n%s", name, args, err, out)
		}
		return time.Since(begin).Seconds()
	}
	// calm lets the disk come to rest, so that one side does not pay for another.
	calm := func(file string) {
		check(exec.Command("sync", file).Run())
		check(os.Remove(file))
	}
	samples := map[string][]float64{}
	add := func(name string, seconds float64) { samples[name] = append(samples[name], seconds) }
	b.ResetTimer()
	for range b.N {
		cp := timed("cp", "--reflink=never", plain, out)
		calm(out)
		quick := timed(command, "dump", "--no-sync", "-f", dump, "--only", ref)
		calm(dump)
		cpSync := timed("sh", "-c", `cp --reflink=never "$0" "$1" && sync "$1"`, plain, out)
		calm(out)
		synced := timed(command, "dump", "-f", dump, "--only", ref)
		begin := time.Now()
		text, err := exec.Command(command, "restore", "-f", dump).Output()
		restore := time.Since(begin).Seconds()
		if err != nil {
			b.Fatal(err)
		}
		var was, id int
		if _, err := fmt.Sscanf(string(text), "restored shm:%d as shm:%d", &was, &id); err != nil {
			b.Fatalf("%v: %s", err, text)
		}
		check(sysvipc.SegmentByID(id).Remove())
		check(os.Remove(dump))
		add("cp-s", cp)
		add("cp+sync-s", cpSync)
		add("dump-s", synced)
		add("restore-s", restore)
		add("dump/cp+sync", synced/cpSync)
		add("dump-no-sync/cp", quick/cp)
		add("restore/cp", restore/cp)
		add("dump+restore/2(cp+sync)", (synced+restore)/(2*cpSync))
	}
	b.StopTimer()
	check(os.Remove(plain))
	b.ReportMetric(0, "ns/op")
	for name, s := range samples {
		slices.Sort(s)
		b.ReportMetric(s[len(s)/2], name)
	}
}

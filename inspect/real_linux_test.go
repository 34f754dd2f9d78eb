package inspect

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// Programs that nobody here wrote, which use System V IPC in earnest.

// program returns the path of a program, or skips the test.
func program(t *testing.T, name, pkg string) string {
	t.Helper()
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin/", "/usr/sbin/", "/usr/bin/"} {
		if found, _ := filepath.Glob(pattern + name); len(found) > 0 {
			return found[len(found)-1]
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("no %s: install %s", name, pkg)
	}
	t.Skipf("no %s: install %s", name, pkg)
	return ""
}

const nobodyID = 65534

// asNobody has a program that refuses to run as root run as nobody. Where there is no such user,
// root has that name in a user namespace of the program's own.
func asNobody(t *testing.T, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	switch {
	case os.Getuid() != 0:
	case ipctest.CanBecome(nobodyID) == nil:
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobodyID, Gid: nobodyID}}
	default:
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: nobodyID, HostID: 0, Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: nobodyID, HostID: 0, Size: 1}},
		}
	}
	return cmd
}

// nobodysDir is a folder that nobody may use.
func nobodysDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "sysvipc") // short, since sockets are made in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if os.Getuid() == 0 && ipctest.CanBecome(nobodyID) == nil {
		if err := os.Chown(dir, nobodyID, nobodyID); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// begin starts a program that ends with the test, and all that it has started.
func begin(t *testing.T, cmd *exec.Cmd) (said *bufio.Reader) {
	t.Helper()
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		_ = w.Close()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		go func() { _, _ = io.Copy(io.Discard, r) }()
		<-ended
	})
	return bufio.NewReader(r)
}

// until reads what a program says up to a line with these words.
func until(t *testing.T, said *bufio.Reader, words string) {
	t.Helper()
	all := ""
	for {
		line, err := said.ReadString('\n')
		if all += line; err != nil {
			t.Fatalf("it ended without saying %q:\n%s", words, all)
		}
		if strings.Contains(line, words) {
			go func() { _, _ = io.Copy(io.Discard, said) }()
			return
		}
	}
}

// eventually waits until a snapshot shows what is wanted.
func eventually(t *testing.T, what string, shows func(s *Snapshot) bool) *Snapshot {
	t.Helper()
	for limit := time.Now().Add(30 * time.Second); ; {
		s := lookAt(t, "")
		if shows(s) {
			return s
		}
		if time.Now().After(limit) {
			t.Fatalf("never: %s: %+v", what, s.Objects)
		}
	}
}

// A server's segment is in use while a single process of it lives, protected when all are
// dead, and the server starts while we look all the time: an attach of ours would keep it
// from that.
func TestPostgreSQL(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	dir := nobodysDir(t)
	data := filepath.Join(dir, "data")
	initdb := asNobody(t, exec.Command(program(t, "initdb", "postgresql"), "-D", data, "-A", "trust", "-N", "-U", "postgres", "--no-instructions", "-E", "UTF8", "--locale=C"))
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	server := func() *exec.Cmd {
		return asNobody(t, exec.Command(program(t, "postgres", "postgresql"), "-D", data, "-k", dir, "-F",
			"-c", "listen_addresses=", "-c", "shared_buffers=1MB", "-c", "max_connections=10"))
	}
	class := func(s *Snapshot) (class Class) {
		for i := range s.Objects {
			if o := &s.Objects[i]; o.Segment != nil {
				class = o.Verdict.Class
			}
		}
		return class
	}

	cmd := server()
	said := begin(t, cmd)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				lookAt(t, "")
			}
		}
	}()
	until(t, said, "ready to accept connections")
	close(stop)
	<-stopped
	s := lookAt(t, "")
	if class(s) != InUse {
		t.Errorf("of a server that runs: %v", class(s))
	}
	if o := &s.Objects[0]; o.Explained != o.Segment.Attaches || len(o.users(Attached)) < 3 {
		t.Errorf("%d of %d attaches explained: %+v", o.Explained, o.Segment.Attaches, o.Users)
	}

	// The postmaster dies first, and the others later.
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all are gone", func(s *Snapshot) bool {
		o := &s.Objects[0]
		switch c := o.Verdict.Class; {
		case o.Segment.Attaches > 0 && c != InUse:
			t.Fatalf("%s while %d attaches are left", c, o.Segment.Attaches)
		case o.Segment.Attaches == 0 && c != Protected && c != InUse: // the last left between the two looks
			t.Fatalf("%s when all are gone", c)
		}
		return class(s) == Protected
	})
	o := &lookAt(t, "").Objects[0]
	if o.Product == nil || o.Product.Name != "PostgreSQL" {
		t.Errorf("got %+v", o.Verdict)
	}

	// It takes its segment over again.
	cmd = server()
	until(t, begin(t, cmd), "ready to accept connections")
	if c := class(lookAt(t, "")); c != InUse {
		t.Errorf("of a server that runs again: %v", c)
	}
	_ = cmd.Process.Signal(syscall.SIGINT)
	eventually(t, "the server takes its segment along", func(s *Snapshot) bool { return len(s.Objects) == 0 })
}

// Objects that come, go and change at full load, while we look: no look fails, nothing that is
// attached is ever said to be without use, and the load finds nothing wrong.
func TestStressNG(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	cmd := exec.Command(program(t, "stress-ng", "stress-ng"), "--shm-sysv", "1", "--shm-sysv-bytes", "1M", "--sem-sysv", "1", "--msg", "1",
		"--timeout", "2", "--verify", "--temp-path", nobodysDir(t))
	said := begin(t, cmd)
	ended := make(chan string)
	go func() {
		all, _ := io.ReadAll(said)
		ended <- string(all)
	}()
	looks, objects := 0, 0
	for {
		select {
		case all := <-ended:
			if cmd.ProcessState == nil || !cmd.ProcessState.Success() {
				t.Errorf("%v:\n%s", cmd.ProcessState, all)
			}
			if looks == 0 || objects == 0 {
				t.Errorf("%d looks saw %d objects", looks, objects)
			}
			return
		default:
		}
		s := lookAt(t, "")
		looks++
		objects += len(s.Objects)
		for i := range s.Objects {
			o := &s.Objects[i]
			if o.Segment != nil && o.Segment.Attaches > 0 && o.Verdict.Class != InUse {
				t.Errorf("%s has %d attaches, and is %s", o.Ref(), o.Segment.Attaches, o.Verdict.Class)
			}
			if c := o.Verdict.Class; c == Orphan && o.Segment == nil {
				t.Errorf("%s is an orphan, and its owner has processes", o.Ref())
			}
		}
	}
}

// An X server and its client share a picture, in a segment that is removed already: both are seen.
func TestMITSHM(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	perf := program(t, "x11perf", "x11-apps")
	t.Cleanup(func() { // what the client had not removed yet when it was killed
		for st, err := range sysvipc.Segments() {
			if err == nil {
				_ = sysvipc.SegmentByID(st.ID).Remove()
			}
		}
	})
	server := exec.Command(program(t, "Xvfb", "xvfb"), "-displayfd", "1", "-screen", "0", "1024x768x24", "-nolisten", "tcp")
	said := begin(t, server)
	number := ""
	for number == "" {
		line, err := said.ReadString('\n')
		if err != nil {
			t.Fatal("no display: ", err)
		}
		if n := strings.TrimSpace(line); strings.Trim(n, "0123456789") == "" {
			number = n
		}
	}
	go func() { _, _ = io.Copy(io.Discard, said) }()
	client := exec.Command(perf, "-display", ":"+number, "-shmput500", "-repeat", "1000", "-time", "1")
	talk := begin(t, client)
	go func() { _, _ = io.Copy(io.Discard, talk) }()
	eventually(t, "the server and the client share a segment", func(s *Snapshot) bool {
		for i := range s.Objects {
			who := map[string]bool{}
			o := &s.Objects[i]
			for _, u := range o.users(Attached) {
				who[u.Comm()] = true
			}
			if o.Segment != nil && who["Xvfb"] && who["x11perf"] {
				return o.Verdict.Class == InUse && o.Explained == 2
			}
		}
		return false
	})
}

// A web server that is killed leaves its semaphores behind: they are in use or unknown while it
// lives, and nobody's when all its processes are dead.
func TestApache(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	dir := nobodysDir(t)
	config := fmt.Sprintf(`ServerRoot %[1]s
LoadModule mpm_prefork_module /usr/lib/apache2/modules/mod_mpm_prefork.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
Listen 127.0.0.1:%[2]d
Listen 127.0.0.1:%[3]d
ServerName localhost
Mutex sysvsem
PidFile %[1]s/pid
ErrorLog %[1]s/error.log
DocumentRoot %[1]s
StartServers 2
`, dir, freePort(t), freePort(t)) // with one port it needs no semaphores
	if err := os.WriteFile(filepath.Join(dir, "httpd.conf"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := asNobody(t, exec.Command(program(t, "apache2", "apache2-bin"), "-f", filepath.Join(dir, "httpd.conf"), "-DFOREGROUND"))
	talk := begin(t, cmd)
	go func() { _, _ = io.Copy(io.Discard, talk) }()
	eventually(t, "it has semaphores", func(s *Snapshot) bool { return len(s.Objects) > 0 && s.Objects[0].Set != nil })
	if c := lookAt(t, "").Objects[0].Verdict.Class; c == Orphan {
		t.Errorf("%s while it lives", c)
	}
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	s := eventually(t, "it is dead", func(s *Snapshot) bool {
		for _, p := range s.Processes {
			if p != nil && p.Comm == "apache2" {
				return false
			}
		}
		return true
	})
	o := &s.Objects[0]
	if c := o.Verdict.Class; c != Orphan && c != Candidate && c != Unknown || c == Unknown && s.Complete {
		t.Errorf("of a dead server: %+v", o.Verdict)
	}
	if err := sysvipc.SemaphoresByID(o.ID).Remove(); err != nil {
		t.Error(err)
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

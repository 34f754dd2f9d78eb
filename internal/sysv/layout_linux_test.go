package sysv

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

// A target is a port of Go and what the C compiler needs to know to lay out structs as its kernel does.
type target struct {
	goarch  string
	triple  string // for clang
	headers kernelHeaders
}

// kernelHeaders are the headers of one architecture of the kernel, which serve all of its ports.
type kernelHeaders struct {
	goarch string // the port that has them in /usr/include
	triple string // the name of their directory elsewhere
	debian string // Debian's package
}

var (
	armHeaders   = kernelHeaders{"arm", "arm-linux-gnueabihf", "linux-libc-dev-armhf-cross"}
	arm64Headers = kernelHeaders{"arm64", "aarch64-linux-gnu", "linux-libc-dev-arm64-cross"}
	mipsHeaders  = kernelHeaders{"mips", "mips-linux-gnu", "linux-libc-dev-mips-cross"}
	ppcHeaders   = kernelHeaders{"ppc64le", "powerpc64le-linux-gnu", "linux-libc-dev-ppc64el-cross"}
	riscvHeaders = kernelHeaders{"riscv64", "riscv64-linux-gnu", "linux-libc-dev-riscv64-cross"}
	s390Headers  = kernelHeaders{"s390x", "s390x-linux-gnu", "linux-libc-dev-s390x-cross"}
	x86Headers   = kernelHeaders{"amd64", "x86_64-linux-gnu", "linux-libc-dev-amd64-cross"}
)

// targets are all Linux ports of Go but loong64, for which Debian 12 has no headers; see TestLayoutLoong64.
var targets = []target{
	{"386", "i686-linux-gnu", x86Headers},
	{"amd64", "x86_64-linux-gnu", x86Headers},
	{"arm", "arm-linux-gnueabihf", armHeaders},
	{"arm64", "aarch64-linux-gnu", arm64Headers},
	{"mips", "mips-linux-gnu", mipsHeaders},
	{"mipsle", "mipsel-linux-gnu", mipsHeaders},
	{"mips64", "mips64-linux-gnuabi64", mipsHeaders},
	{"mips64le", "mips64el-linux-gnuabi64", mipsHeaders},
	{"ppc64", "powerpc64-linux-gnu", ppcHeaders},
	{"ppc64le", "powerpc64le-linux-gnu", ppcHeaders},
	{"riscv64", "riscv64-linux-gnu", riscvHeaders},
	{"s390x", "s390x-linux-gnu", s390Headers},
}

// layouts has a value of each type that a port's file may name.
var layouts = map[string]any{
	"perm64": perm64{}, "permS390x": permS390x{}, "permPPC64": permPPC64{}, "perm32": perm32{}, "permMIPS32": permMIPS32{},

	"shmid64[perm64]": shmid64[perm64]{}, "shmid64[permS390x]": shmid64[permS390x]{},
	"shmidPPC64": shmidPPC64{}, "shmid32": shmid32{}, "shmidMIPS32": shmidMIPS32{},

	"semid64[perm64]": semid64[perm64]{}, "semid64[permS390x]": semid64[permS390x]{}, "semid64[permPPC64]": semid64[permPPC64]{},
	"semidAMD64": semidAMD64{}, "semid32": semid32{}, "semidMIPS32": semidMIPS32{},

	"msqid64[perm64]": msqid64[perm64]{}, "msqid64[permS390x]": msqid64[permS390x]{}, "msqid64[permPPC64]": msqid64[permPPC64]{},
	"msqid32[perm32]": msqid32[perm32]{}, "msqid32[permMIPS32]": msqid32[permMIPS32]{}, "msqidMIPS32BE": msqidMIPS32BE{},

	"uint16": uint16(0), "uint32": uint32(0), "uint64": uint64(0),
}

// portDecls returns the types and constants that the files of a port declare, with the text of each. They are the
// files that are compiled for it, so one run can look at all ports.
func portDecls(t *testing.T, goarch string) map[string]string {
	t.Helper()
	ctx := build.Default
	ctx.GOOS, ctx.GOARCH, ctx.CgoEnabled = "linux", goarch, false
	pkg, err := ctx.ImportDir(".", 0)
	if err != nil {
		t.Fatal(err)
	}
	decls := map[string]string{}
	for _, name := range pkg.GoFiles {
		if !strings.HasPrefix(name, "port_") {
			continue
		}
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, src, 0)
		if err != nil {
			t.Fatal(err)
		}
		text := func(n ast.Node) string {
			return string(src[fset.Position(n.Pos()).Offset:fset.Position(n.End()).Offset])
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch spec := n.(type) {
			case *ast.TypeSpec:
				decls[spec.Name.Name] = text(spec.Type)
			case *ast.ValueSpec:
				decls[spec.Names[0].Name] = text(spec.Values[0])
			}
			return true
		})
	}
	return decls
}

// portTypes returns a value of each type that the files of a port declare.
func portTypes(t *testing.T, goarch string) map[string]any {
	t.Helper()
	decls, types := portDecls(t, goarch), map[string]any{}
	for _, name := range []string{"ulong", "mode", "perm", "shmidDS", "semidDS", "msqidDS"} {
		v, ok := layouts[decls[name]]
		if !ok {
			t.Fatalf("%s: the test's table has no %q, which %s is", goarch, decls[name], name)
		}
		types[name] = v
	}
	return types
}

// TestPortCommands pins which ports want IPC_64 in their commands: qemu-user takes either, so only a kernel of
// those ports would tell. In the kernel they are the ports whose tables name sys_old_semctl.
func TestPortCommands(t *testing.T) {
	for _, target := range append(targets, target{goarch: "loong64"}) {
		flag, ipc := "0", "0"
		switch target.goarch {
		case "arm", "mips64", "mips64le":
			flag = "ipc64"
		case "386", "mips", "mipsle", "ppc64", "ppc64le", "s390x":
			ipc = "unix.SYS_IPC"
		}
		decls := portDecls(t, target.goarch)
		if decls["cmdFlag"] != flag || decls["sysIPC"] != ipc {
			t.Errorf("%s: got cmdFlag %s, sysIPC %s, want %s, %s", target.goarch, decls["cmdFlag"], decls["sysIPC"], flag, ipc)
		}
	}
}

// TestLayout lets a C compiler check each field of each struct of each port against the kernel's headers.
func TestLayout(t *testing.T) {
	clang := findClang(t)
	for _, target := range targets {
		t.Run(target.goarch, func(t *testing.T) {
			t.Parallel()
			dirs := include(t, target.headers)
			src := assertions(portTypes(t, target.goarch))
			if out, err := compile(t, clang, target, dirs, src); err != nil {
				t.Errorf("the layouts are not those of the C headers: %v\n%s", err, out)
			}
		})
	}
}

// TestLayoutSeesErrors shows that the compiler does refuse a wrong layout.
func TestLayoutSeesErrors(t *testing.T) {
	clang := findClang(t)
	target := targets[1]
	dirs := include(t, target.headers)
	types := portTypes(t, "amd64")
	types["semidDS"] = semid64[perm64]{} // right on arm64
	out, err := compile(t, clang, target, dirs, assertions(types))
	if err == nil || !strings.Contains(string(out), "sem_ctime") {
		t.Errorf("got %v, want an error about sem_ctime:\n%s", err, out)
	}
}

// TestLayoutLoong64 stands in for loong64's headers, which are the asm-generic ones, as riscv64's are.
func TestLayoutLoong64(t *testing.T) {
	describe := func(goarch string) map[string]string {
		m := map[string]string{}
		for name, v := range portTypes(t, goarch) {
			m[name] = reflect.TypeOf(v).String()
		}
		return m
	}
	if diff := cmp.Diff(describe("loong64"), describe("riscv64")); diff != "" {
		t.Errorf("loong64 (-) is not riscv64 (+):\n%s", diff)
	}
}

// TestLayoutPort checks that the files read by portTypes are those compiled into this test.
func TestLayoutPort(t *testing.T) {
	types := portTypes(t, runtime.GOARCH)
	for name, v := range map[string]any{
		"ulong": ulong(0), "mode": mode(0), "perm": perm{}, "shmidDS": shmidDS{}, "semidDS": semidDS{}, "msqidDS": msqidDS{},
	} {
		if got, want := reflect.TypeOf(types[name]), reflect.TypeOf(v); got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}

// findClang skips the test without clang, and fails it in CI. One run on any 64-bit machine checks all ports.
func findClang(t *testing.T) string {
	t.Helper()
	if MtypeSize != 8 {
		t.Skip("this port aligns 64-bit fields to 32 bits, so it cannot show the layouts of 64-bit ports")
	}
	if qemu() {
		t.Skip("the compiler is not that of the emulated machine")
	}
	for _, name := range []string{"clang", "clang-14", "clang-16", "clang-19"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	lacking(t, "clang-14")
	return ""
}

// include returns the directories of the headers, or skips the test without them, and fails it in CI.
func include(t *testing.T, h kernelHeaders) []string {
	t.Helper()
	dirs := []string{filepath.Join("/usr", h.triple, "include")}
	if h.goarch == runtime.GOARCH {
		dirs, h.debian = []string{"/usr/include", filepath.Join("/usr/include", h.triple)}, "linux-libc-dev"
	}
	if _, err := os.Stat(filepath.Join(dirs[len(dirs)-1], "asm", "shmbuf.h")); err != nil {
		lacking(t, h.debian)
	}
	return dirs
}

func lacking(t *testing.T, pkg string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("apt-get install %s", pkg)
	}
	t.Skipf("needs the package %s", pkg)
}

// compile checks src without making code of it.
func compile(t *testing.T, clang string, target target, dirs []string, src []byte) ([]byte, error) {
	t.Helper()
	dir := t.TempDir()
	// <linux/shm.h> includes the C library's <unistd.h> for getpagesize only.
	if err := os.WriteFile(filepath.Join(dir, "unistd.h"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"--target=" + target.triple, "-fsyntax-only", "-ffreestanding", "-nostdinc", "-Wall", "-Werror", "-I", dir, "-x", "c"}
	for _, d := range dirs {
		args = append(args, "-isystem", d)
	}
	cmd := exec.Command(clang, append(args, "-")...)
	cmd.Stdin = bytes.NewReader(src)
	return cmd.CombinedOutput()
}

// assertions returns a C program that compiles only where all structs and numbers are as given.
func assertions(types map[string]any) []byte {
	var b bytes.Buffer
	b.WriteString(`#include <linux/ipc.h>
#include <linux/shm.h>
#include <linux/sem.h>
#include <linux/msg.h>
#include <linux/time_types.h>
#define FIELD(s, f, offset, size) \
	_Static_assert(__builtin_offsetof(struct s, f) == offset, #s "." #f ": offset"); \
	_Static_assert(sizeof(((struct s *)0)->f) == size, #s "." #f ": size");
#define SIZE(s, size) _Static_assert(sizeof(struct s) == size, #s ": size");
#define NUMBER(n, v) _Static_assert(n == v, #n);
`)
	assertStruct(&b, "shmid64_ds", "shm_", types["shmidDS"])
	assertStruct(&b, "semid64_ds", "sem_", types["semidDS"])
	assertStruct(&b, "msqid64_ds", "msg_", types["msqidDS"])
	assertStruct(&b, "ipc64_perm", "", types["perm"])
	if types["ulong"] == any(uint64(0)) {
		assertStruct(&b, "shminfo64", "", shminfo[uint64]{})
		assertStruct(&b, "shm_info", "shm_", shmUse[uint64]{})
		assertStruct(&b, "__kernel_old_timespec", "tv_", timespecOld[int64]{})
		b.WriteString("_Static_assert(sizeof(long) == 8, \"long\");\n")
	} else {
		assertStruct(&b, "shminfo64", "", shminfo[uint32]{})
		assertStruct(&b, "shm_info", "shm_", shmUse[uint32]{})
		assertStruct(&b, "__kernel_old_timespec", "tv_", timespecOld[int32]{})
		b.WriteString("_Static_assert(sizeof(long) == 4, \"long\");\n")
	}
	assertStruct(&b, "__kernel_timespec", "tv_", timespec64{})
	assertStruct(&b, "seminfo", "", seminfo{})
	assertStruct(&b, "msginfo", "", msginfo{})
	assertStruct(&b, "sembuf", "sem_", Sembuf{})
	for name, v := range numbers {
		fmt.Fprintf(&b, "NUMBER(%s, %d)\n", name, v)
	}
	return b.Bytes()
}

func assertStruct(b *bytes.Buffer, name, prefix string, v any) {
	typ := reflect.TypeOf(v)
	fmt.Fprintf(b, "SIZE(%s, %d)\n", name, typ.Size())
	assertFields(b, name, prefix, "", 0, typ)
}

func assertFields(b *bytes.Buffer, name, prefix, outer string, base uintptr, typ reflect.Type) {
	for i := range typ.NumField() {
		f := typ.Field(i)
		if f.Name == "_" {
			continue
		}
		c := outer + prefix + cName(f.Name)
		switch {
		case c == "shm_used_ids":
			c = "used_ids"
		case name == "ipc64_perm" || outer != "":
			c = outer + cName(f.Name)
		}
		fmt.Fprintf(b, "FIELD(%s, %s, %d, %d)\n", name, c, base+f.Offset, f.Type.Size())
		if f.Type.Kind() == reflect.Struct {
			assertFields(b, name, "", c+".", base+f.Offset, f.Type)
		}
	}
}

// cName writes a Go field's name as C does: atimeHigh is atime_high, usedIDs is used_ids.
func cName(name string) string {
	name = strings.ReplaceAll(name, "IDs", "Ids")
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// numbers are the flags and commands by their names in the headers, and the calls of ipc(2).
var numbers = map[string]int{
	"IPC_PRIVATE": IPC_PRIVATE,
	"IPC_CREAT":   IPC_CREAT, "IPC_EXCL": IPC_EXCL, "IPC_NOWAIT": IPC_NOWAIT,
	"IPC_RMID": IPC_RMID, "IPC_SET": IPC_SET, "IPC_STAT": IPC_STAT, "IPC_INFO": IPC_INFO, "IPC_64": ipc64,

	"SHM_R": SHM_R, "SHM_W": SHM_W,
	"SHM_HUGETLB": SHM_HUGETLB, "SHM_NORESERVE": SHM_NORESERVE,
	"SHM_HUGE_SHIFT": SHM_HUGE_SHIFT, "SHM_HUGE_MASK": SHM_HUGE_MASK,
	"SHM_RDONLY": SHM_RDONLY, "SHM_RND": SHM_RND, "SHM_REMAP": SHM_REMAP, "SHM_EXEC": SHM_EXEC,
	"SHM_LOCK": SHM_LOCK, "SHM_UNLOCK": SHM_UNLOCK, "SHM_STAT": SHM_STAT, "SHM_INFO": SHM_INFO, "SHM_STAT_ANY": SHM_STAT_ANY,

	"SEM_UNDO": SEM_UNDO,
	"GETPID":   GETPID, "GETVAL": GETVAL, "GETALL": GETALL, "GETNCNT": GETNCNT, "GETZCNT": GETZCNT, "SETVAL": SETVAL, "SETALL": SETALL,
	"SEM_STAT": SEM_STAT, "SEM_INFO": SEM_INFO, "SEM_STAT_ANY": SEM_STAT_ANY,

	"MSG_NOERROR": MSG_NOERROR, "MSG_EXCEPT": MSG_EXCEPT, "MSG_COPY": MSG_COPY,
	"MSG_STAT": MSG_STAT, "MSG_INFO": MSG_INFO, "MSG_STAT_ANY": MSG_STAT_ANY,

	"SEMOP": ipcSEMOP, "SEMGET": ipcSEMGET, "SEMCTL": ipcSEMCTL, "SEMTIMEDOP": ipcSEMTIMEDOP,
	"MSGSND": ipcMSGSND, "MSGRCV": ipcMSGRCV, "MSGGET": ipcMSGGET, "MSGCTL": ipcMSGCTL,
	"SHMAT": ipcSHMAT, "SHMDT": ipcSHMDT, "SHMGET": ipcSHMGET, "SHMCTL": ipcSHMCTL,
}

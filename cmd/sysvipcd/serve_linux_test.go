package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// serve starts the verb, and returns when it serves, with what it says of where.
func serve(t *testing.T, args ...string) (*process, string) {
	t.Helper()
	p := command(t, append([]string{"serve"}, args...)...)
	ready, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ready.Close() })
	p.Env = append(p.Env, "NOTIFY_SOCKET="+ready.LocalAddr().String())
	p.Stderr = nil
	stderr, err := p.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Process.Kill(); p.Wait() })
	line, err := bufio.NewReader(stderr).ReadString('\n')
	_, where, ok := strings.Cut(strings.TrimSpace(line), "serving on ")
	if err != nil || !ok {
		t.Fatalf("%q says %q, %v", args, line, err)
	}
	ready.SetReadDeadline(time.Now().Add(time.Minute))
	said := make([]byte, 64)
	if n, err := ready.Read(said); err != nil || string(said[:n]) != "READY=1" {
		t.Fatalf("%q tells systemd %q, %v", args, said[:n], err)
	}
	return p, where
}

func ask(t *testing.T, client *http.Client, url string, header http.Header) (int, string) {
	t.Helper()
	r, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestServe(t *testing.T) {
	t.Parallel()
	p, url := serve(t, "--listen", "127.0.0.1:0", "--object", "shm")
	if code, text := ask(t, http.DefaultClient, url+"/metrics", nil); code != 200 || !strings.Contains(text, "\nsysvipc_segments ") || !strings.Contains(text, "\nsysvipc_objects_selected ") {
		t.Errorf("%s is answered %d:\n%.500s", url, code, text)
	}
	p.Process.Signal(syscall.SIGTERM)
	p.code(t, 0)
}

// The socket has its permissions, one that answers is kept, and one that a killed server left is not.
func TestServeOnSocket(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	p, _ := serve(t, "--listen", "unix:"+path, "--socket-mode", "0640")
	if info, err := os.Lstat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the socket is %v, %v", info, err)
	}
	refuses(t, 1, "answers there", "--listen", "unix:"+path)
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
	defer client.CloseIdleConnections()
	if code, _ := ask(t, client, "http://any/metrics", nil); code != 200 {
		t.Errorf("it is answered %d", code)
	}
	p.Process.Kill()
	p.code(t, -1)
	p, _ = serve(t, "--listen", "unix:"+path)
	p.Process.Signal(syscall.SIGINT)
	p.code(t, 0)
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) > 0 {
		t.Errorf("it leaves %v, %v", left, err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	refuses(t, 1, "no socket", "--listen", "unix:"+path)
}

func TestServeTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key, roots := certificate(t, dir)
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte("0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, url := serve(t, "--listen", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key, "--token-file", token)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "localhost"}}}
	defer client.CloseIdleConnections()
	if code, _ := ask(t, client, url+"/metrics", nil); code != 401 || !strings.HasPrefix(url, "https://") {
		t.Errorf("%s without a token is answered %d, want 401", url, code)
	}
	if code, _ := ask(t, client, url+"/metrics", http.Header{"Authorization": {"Bearer 0123456789abcdef"}}); code != 200 {
		t.Errorf("%s with the token is answered %d, want 200", url, code)
	}
	if resp, err := http.Get("http" + strings.TrimPrefix(url, "https") + "/metrics"); err == nil && resp.StatusCode == 200 {
		t.Error("it answers without TLS")
	}
	if err := os.Chmod(token, 0o644); err != nil {
		t.Fatal(err)
	}
	refuses(t, 4, "chmod 600", "--token-file", token)
}

// certificate makes one for localhost that signs itself.
func certificate(t *testing.T, dir string) (cert, key string, roots *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key, roots = filepath.Join(dir, "cert"), filepath.Join(dir, "key"), x509.NewCertPool()
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	roots.AppendCertsFromPEM(text)
	if err := os.WriteFile(cert, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), 0o600); err != nil {
		t.Fatal(err)
	}
	return cert, key, roots
}

func TestServeRefuses(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"--listen", "0.0.0.0:0"},
		{"--listen", ":0"},
		{"--listen", "192.0.2.1:0", "--tls-cert", "c", "--tls-key", "k"},
		{"--listen", "localhost"},
		{"--listen", "unix:"},
		{"--tls-cert", "c"},
		{"--max-objects", "0"},
		{"--listen", "unix:/nowhere/s", "--socket-mode", "999"},
		{"--object", "queue"},
		{"--object", "msg:-1"},
		{"--object", "msg:name="},
		{"--object", "msg:ftok=/"},
		{"argument"},
	} {
		refuses(t, 2, "Usage: sysvipcd serve", args...)
	}
	refuses(t, 3, "/nowhere", "--tls-cert", "/nowhere", "--tls-key", "/nowhere")
	refuses(t, 3, "/nowhere", "--listen", "unix:/nowhere/s")
}

// refuses runs the verb in this process: it ends before it serves.
func refuses(t *testing.T, code int, says string, args ...string) {
	t.Helper()
	var stderr bytes.Buffer
	if got := execute(append([]string{"serve"}, args...), nil, io.Discard, &stderr); got != code || !strings.Contains(stderr.String(), says) {
		t.Errorf("%q exits with %d and says %q, want %d and %q", args, got, &stderr, code, says)
	}
}

// The unit gives the program little: systemd's own judgement, where less is better.
func TestServeUnit(t *testing.T) {
	t.Parallel()
	path, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("needs Debian's package systemd")
	}
	out, err := exec.Command(path, "security", "--offline=yes", "--no-pager", "--threshold=25", "../../examples/serve/sysvipcd-serve.service").CombinedOutput()
	if strings.Contains(string(out), "unrecognized option") {
		t.Skip("needs systemd 250 or later")
	}
	if err != nil {
		t.Errorf("systemd-analyze security: %v, want at most 2.5\n%s", err, out)
	}
}

// A history that was being written when its server was killed is whole, and the next server goes on with it.
func TestHistoryOutlivesItsServer(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "history")
	samples := func(url string) (times []float64) {
		t.Helper()
		code, text := ask(t, http.DefaultClient, url+"/page/history?seconds=3600", nil)
		var h struct{ Time []float64 }
		if err := json.Unmarshal([]byte(text), &h); code != 200 || err != nil {
			t.Fatalf("the history is answered %d: %v: %s", code, err, text)
		}
		return h.Time
	}
	args := []string{"--listen", "127.0.0.1:0", "--history", file, "--interval", "0.1"}
	p, url := serve(t, args...)
	var before []float64
	for deadline := time.Now().Add(time.Minute); len(before) < 3; before = samples(url) {
		if time.Now().After(deadline) {
			t.Fatalf("there are samples of %v after a minute", before)
		}
		time.Sleep(10 * time.Millisecond)
	}
	p.Process.Kill()
	p.Wait()
	_, url = serve(t, args...)
	if after := samples(url); len(after) < len(before) || !slices.Equal(after[:len(before)], before) {
		t.Errorf("there were samples of %v, and there are of %v", before, after)
	}
}

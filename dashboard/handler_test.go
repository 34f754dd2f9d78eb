package dashboard

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/history"
)

func handlerOf(opts Options) *Handler {
	if opts.Collector == nil {
		opts.Collector = &Collector{Looks: &Looks{take: func(context.Context, *inspect.Options) (*inspect.Snapshot, error) { return many(2, 2), nil }}}
	}
	if opts.Feed == nil {
		opts.Feed = &Feed{Looks: opts.Collector.Looks, History: history.New(10), Interval: time.Hour}
	}
	return NewHandler(opts)
}

// routes are all that answer with data, but for the stream. Each is asked for with each attack.
var routes = []string{
	"/metrics", "/api/v1/objects", "/api/v1/objects/msg:1", "/api/v1/explain/msg:1", "/api/v1/waits", "/api/v1/limits", "/api/v1/findings", "/api/v1/events", "/page/rows", "/page/history?seconds=60",
}

// A page elsewhere whose name was made to point here, and names that only look like ours.
func TestHosts(t *testing.T) {
	t.Parallel()
	h := handlerOf(Options{Hosts: []string{"db1.example.com"}})
	for host, want := range map[string]int{
		"localhost": 200, "localhost:9765": 200, "LOCALHOST:1": 200, "127.0.0.1:9765": 200, "127.9.9.9": 200, "[::1]:9765": 200, "db1.example.com:9765": 200,
		"": 421, "evil.example": 421, "evil.example:9765": 421, "localhost.evil.example": 421, "127.0.0.1.evil.example": 421,
		"db1.example.com.evil.example": 421, "0.0.0.0:9765": 421, "[::1": 200, "127.1": 421, "localhost:9765@evil.example": 421, "10.0.0.1": 421,
	} {
		for _, route := range append(routes, "/healthz") {
			r := httptest.NewRequest("GET", route, nil)
			r.Host = host
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("%s for host %q is answered %d, want %d", route, host, w.Code, want)
			}
		}
	}
	if code := func() int {
		r := httptest.NewRequest("GET", "/metrics", nil)
		r.Host = "anything"
		w := httptest.NewRecorder()
		handlerOf(Options{AnyHost: true}).ServeHTTP(w, r)
		return w.Code
	}(); code != 200 {
		t.Errorf("on a Unix socket a host is answered %d, want 200", code)
	}
}

func TestToken(t *testing.T) {
	t.Parallel()
	const token = "0123456789abcdef"
	h := handlerOf(Options{Token: token})
	for _, route := range routes {
		for header, want := range map[string]int{
			"Bearer " + token: 200, "bearer " + token: 200,
			"": 401, "Bearer": 401, "Bearer ": 401, "Bearer 0123456789abcdee": 401, "Bearer " + token + "0": 401, "Basic " + token: 401, token: 401, "Bearer  " + token: 401,
		} {
			if code, text := get(t, h, route, "Authorization", header); code != want || code == 401 && strings.Contains(text, "msg") {
				t.Errorf("%s with %q is answered %d, want %d: %s", route, header, code, want, text)
			}
		}
		if code, _ := get(t, h, route+"?token="+token+"&Authorization=Bearer+"+token); code != 401 {
			t.Errorf("%s takes a token from the URL: %d", route, code)
		}
	}
	if code, _ := get(t, h, "/page/states"); code != 401 {
		t.Errorf("the stream is answered %d without a token, want 401", code)
	}
	if code, _ := get(t, h, "/healthz"); code != 200 {
		t.Errorf("/healthz is answered %d without a token, want 200", code)
	}
}

// No method but GET and HEAD, no path but those that there are.
func TestMethodsAndPaths(t *testing.T) {
	t.Parallel()
	h := handlerOf(Options{})
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"} {
		for _, route := range routes {
			for _, site := range []string{"", "same-origin", "cross-site"} {
				r := httptest.NewRequest(method, route, strings.NewReader("ref=shm:0"))
				r.Host = "localhost"
				r.Header.Set("Content-Type", "text/plain")
				r.Header.Set("Sec-Fetch-Site", site)
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				if w.Code != 405 && w.Code != 403 {
					t.Errorf("%s %s from %q is answered %d, want 405 or 403", method, route, site, w.Code)
				}
			}
		}
	}
	for _, path := range []string{"/../etc/passwd", "/metrics/../../etc/passwd", "/%2e%2e/etc/passwd", "/static/../handler.go", "/static/../../go.mod", "/static/", "/page/", "/api/v1/", "/api/v1/objects/shm:-1", "/api/v1/objects/shm:1/..", "/api/v1/objects/..%2f..%2fmetrics", "//metrics", "/metrics/", "/api", "/debug/pprof/"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host, r.URL.Path, r.URL.RawPath = "localhost", strings.ReplaceAll(path, "%2e", "."), path
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code == 200 {
			t.Errorf("%s is answered 200: %.100s", path, w.Body)
		}
	}
}

// Nothing may be framed, sniffed, kept or loaded from elsewhere.
func TestHeaders(t *testing.T) {
	t.Parallel()
	h := handlerOf(Options{Token: "0123456789abcdef"})
	for _, path := range append(routes, "/", "/static/page.js", "/healthz", "/readyz", "/nothing") {
		r := httptest.NewRequest("GET", path, nil)
		r.Host = "localhost"
		r.Header.Set("Origin", "https://evil.example")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'self'", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
			"Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got := w.Header().Get(name); !strings.Contains(got, want) {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
		if got := w.Header().Get("Access-Control-Allow-Origin"); got != "" {
			t.Errorf("%s lets %q read it", path, got)
		}
	}
}

// More requests than there are slots are answered at once.
func TestTooManyRequests(t *testing.T) {
	t.Parallel()
	h := handlerOf(Options{})
	for range maxRequests {
		h.slots <- struct{}{}
	}
	if code, _ := get(t, h, "/metrics"); code != 503 {
		t.Errorf("the request is answered %d, want 503", code)
	}
	<-h.slots
	if code, _ := get(t, h, "/metrics"); code != 200 {
		t.Errorf("with a slot it is answered %d, want 200", code)
	}
}

// serving starts a server, and returns its address and what ends it.
func serving(t *testing.T, h http.Handler, change func(*http.Server)) (addr string, stop func() error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := NewServer(h)
	if change != nil {
		change(server)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, server, ln) }()
	stop = func() error { cancel(); return <-ended }
	t.Cleanup(cancel)
	return ln.Addr().String(), stop
}

// Slow and huge requests are cut off; a client that is not has its answer meanwhile.
func TestSlowAndHuge(t *testing.T) {
	t.Parallel()
	addr, stop := serving(t, handlerOf(Options{}), func(s *http.Server) { s.ReadHeaderTimeout = 50 * time.Millisecond })
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		conn.SetDeadline(time.Now().Add(time.Minute))
		return conn
	}
	slow := dial()
	fmt.Fprint(slow, "GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-")
	huge := dial()
	go func() {
		fmt.Fprint(huge, "GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Huge: ")
		io.CopyN(huge, zeros{}, 10<<20)
	}()
	if resp, err := http.ReadResponse(bufio.NewReader(huge), nil); err == nil && resp.StatusCode != 431 {
		t.Errorf("10 MB of headers are answered %s, want 431", resp.Status)
	}
	resp, err := http.Get("http://" + addr + "/metrics")
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("a plain request: %v, %v", resp, err)
	}
	resp.Body.Close()
	if text, err := io.ReadAll(slow); err != nil || strings.Contains(string(text), "200 OK") {
		t.Errorf("a request that does not end is answered %q, %v: want its connection closed", text, err)
	}
	if err := stop(); err != nil {
		t.Errorf("the server ends with %v", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

// Connections beyond the bound wait until another one is closed.
func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := newLimited(ln, 1)
	for range 2 {
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	first, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	second := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err == nil {
			defer conn.Close()
		}
		second <- err
	}()
	select {
	case err := <-second:
		t.Fatalf("a second connection is accepted beside the first: %v", err)
	default:
	}
	first.Close()
	first.Close()
	if err := <-second; err != nil {
		t.Fatal(err)
	}
	l.slots <- struct{}{}
	ended := make(chan error, 1)
	go func() { _, err := l.Accept(); ended <- err }()
	l.Close()
	if err := <-ended; err == nil {
		t.Error("Accept of a closed listener returns a connection")
	}
}

// Whatever is asked for, the answer is no panic, no 500 and no data without the token.
func FuzzRoutes(f *testing.F) {
	for _, seed := range [][4]string{
		{"GET", "/metrics", "localhost", ""},
		{"POST", "/metrics", "evil", "Bearer x"},
		{"GET", "/../..", "[::1]:0", "Bearer 0123456789abcdef"},
		{"HEAD", "/%00", "localhost", ""},
		{"", "//", "", ""},
		{"GET", "/api/v1/objects/shm:0", "localhost", ""},
		{"GET", "/static/\x00", "localhost", ""},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3])
	}
	const token = "0123456789abcdef"
	h := handlerOf(Options{Token: token})
	f.Fuzz(func(t *testing.T, method, path, host, auth string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Method, r.URL.Path, r.Host = method, path, host
		r.Header.Set("Authorization", auth)
		if strings.Contains(path, "events") {
			return // a stream does not end by itself
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Errorf("%s %q is answered %d", method, path, w.Code)
		}
		if !strings.Contains(auth, token) && (strings.Contains(w.Body.String(), "sysvipc_") || strings.Contains(w.Body.String(), "msg:0")) {
			t.Errorf("%s %q shows data to %q", method, path, auth)
		}
	})
}

// get asks a handler, and returns the code and the body.
func get(t testing.TB, h http.Handler, path string, header ...string) (int, string) {
	t.Helper()
	r := httptest.NewRequest("GET", path, nil)
	r.Host = "localhost:9765"
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func scrape(t testing.TB, h http.Handler) map[string]float64 {
	t.Helper()
	code, text := get(t, h, "/metrics")
	if code != 200 {
		t.Fatalf("the scrape is answered %d: %s", code, text)
	}
	return series(t, text)
}

// series are the samples of a scrape, by name with labels.
func series(t testing.TB, text string) map[string]float64 {
	t.Helper()
	all := map[string]float64{}
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		line := lines.Text()
		if line == "" || line[0] == '#' {
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		value, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		all[line[:at]] = value
	}
	return all
}

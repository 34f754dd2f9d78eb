package dashboard

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Options are the choices of a [Handler].
type Options struct {
	// Collector collects the metrics; its Looks are those that everything else shows.
	Collector *Collector
	// Feed serves the page, with the same Looks; nil for no page.
	Feed *Feed
	// Hosts are the names, without port, that requests may be for besides localhost and loopback
	// addresses: a page elsewhere whose name was made to point here (DNS rebinding) is refused.
	// AnyHost is for Unix sockets, which no page can reach.
	Hosts   []string
	AnyHost bool
	// Token has to be in the header "Authorization: Bearer TOKEN" of each request for data; "" for none.
	Token string
}

// Handler answers HTTP requests. It changes nothing on the machine. Safe for concurrent use.
type Handler struct {
	opts  Options
	token [sha256.Size]byte
	slots chan struct{}
	inner http.Handler
}

// maxRequests is how many requests for data are in progress at once. Others are answered 503.
const maxRequests = 64

// NewHandler returns a handler.
func NewHandler(opts Options) *Handler {
	h := &Handler{opts: opts, token: sha256.Sum256([]byte(opts.Token)), slots: make(chan struct{}, maxRequests)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", h.healthz)
	mux.HandleFunc("GET /readyz", h.readyz)
	mux.Handle("GET /metrics", h.guarded(h.metrics()))
	h.api(mux)
	if opts.Feed != nil {
		h.pages(mux)
	}
	var crossOrigin http.CrossOriginProtection
	h.inner = crossOrigin.Handler(mux)
	return h
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("Content-Security-Policy", "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("X-Frame-Options", "DENY")
	head.Set("Referrer-Policy", "no-referrer")
	head.Set("Cross-Origin-Resource-Policy", "same-origin")
	head.Set("Cross-Origin-Opener-Policy", "same-origin")
	head.Set("Cache-Control", "no-store")
	if !h.answersTo(r.Host) {
		http.Error(w, "this server does not answer to that host name: name it with --host", http.StatusMisdirectedRequest)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 1<<10) // no request has a body
	h.inner.ServeHTTP(w, r)
}

// answersTo reports whether requests may be for this host.
func (h *Handler) answersTo(host string) bool {
	if h.opts.AnyHost {
		return true
	}
	if name, port, err := net.SplitHostPort(host); err == nil {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return false
		}
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
	if addr, err := netip.ParseAddr(host); err == nil && addr.IsLoopback() {
		return true
	}
	return host == "localhost" || slices.ContainsFunc(h.opts.Hosts, func(name string) bool { return strings.EqualFold(name, host) })
}

// guarded lets requests with the token in, as many at once as there are slots.
func (h *Handler) guarded(next http.Handler) http.Handler { return h.guardedBy(h.slots, next) }

func (h *Handler) guardedBy(slots chan struct{}, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !h.authorized(r) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="sysvipcd"`)
			http.Error(w, "a token is needed: Authorization: Bearer TOKEN", http.StatusUnauthorized)
			return
		}
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
			next.ServeHTTP(w, r)
		default:
			w.Header().Set("Retry-After", "1")
			http.Error(w, "too many requests at once", http.StatusServiceUnavailable)
		}
	})
}

// authorized compares hashes, which are of one length, in constant time.
func (h *Handler) authorized(r *http.Request) bool {
	if h.opts.Token == "" {
		return true
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	given := sha256.Sum256([]byte(token))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(given[:], h.token[:]) == 1
}

// metrics answers in the formats that Prometheus asks for.
func (h *Handler) metrics() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(h.opts.Collector, buildInfo(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// buildInfo is the version of this program as the label of a metric that is 1.
func buildInfo() prometheus.Collector {
	version := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		version = info.Main.Version
	}
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "sysvipc_build_info", Help: "The version of sysvipcd.", ConstLabels: prometheus.Labels{"version": version},
	})
	g.Set(1)
	return g
}

// healthz: this process answers.
func (h *Handler) healthz(w http.ResponseWriter, _ *http.Request) {
	w.Write([]byte("ok\n"))
}

// readyTimeout is how long a snapshot may take for the server to be ready.
const readyTimeout = 5 * time.Second

// readyz: the machine answers, too.
func (h *Handler) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	look, err := h.opts.Collector.Looks.Look(ctx)
	switch {
	case errors.Is(err, ErrNoAnswer):
		http.Error(w, "not ready: the machine does not answer", http.StatusServiceUnavailable)
	case err != nil || look.Err != nil:
		http.Error(w, "not ready: no snapshot", http.StatusServiceUnavailable)
	default:
		w.Write([]byte("ready\n"))
	}
}

package cluster_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cluster"
)

// authority makes a certificate for 127.0.0.1, and writes it to a file.
func authority(t *testing.T) (cert tls.Certificate, file string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	check(t, err)
	file = filepath.Join(t.TempDir(), "ca.pem")
	check(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

// A server that wants TLS and an NKey, or a name and a password, gets what nats.go offers,
// as further options of Connect; without, Connect says why not.
func TestConnectSecurely(t *testing.T) {
	t.Parallel()
	cert, ca := authority(t)
	pair, err := nkeys.CreateUser()
	check(t, err)
	public, err := pair.PublicKey()
	check(t, err)
	seed, err := pair.Seed()
	check(t, err)
	seedFile := filepath.Join(t.TempDir(), "user.nk")
	check(t, os.WriteFile(seedFile, seed, 0o600))
	s, err := natsserver.NewServer(&natsserver.Options{
		Host: "127.0.0.1", Port: natsserver.RANDOM_PORT, NoSigs: true, NoLog: true, JetStream: true, StoreDir: t.TempDir(),
		TLS: true, TLSTimeout: 10, TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12},
		Nkeys: []*natsserver.NkeyUser{{Nkey: public}}, Users: []*natsserver.User{{Username: "user", Password: "secret"}},
	})
	check(t, err)
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(time.Minute) {
		t.Fatal("the server does not serve")
	}
	nkey, err := nats.NkeyOptionFromSeed(seedFile)
	check(t, err)
	for how, opts := range map[string][]nats.Option{
		"an NKey":    {nats.RootCAs(ca), nkey},
		"a password": {nats.RootCAs(ca), nats.UserInfo("user", "secret")},
	} {
		c, err := cluster.Connect(soon(t), s.ClientURL(), nil, opts...)
		if err != nil {
			t.Errorf("with %s: %v", how, err)
			continue
		}
		q, err := c.EnsureQueue(soon(t), "secure", nil)
		check(t, err)
		check(t, q.Send(soon(t), 1, []byte(how)))
		wantMessage(t, q, sysvipc.Any, "1:"+how)
		check(t, c.Close(soon(t)))
	}
	for want, opts := range map[string][]nats.Option{
		"failed to verify certificate": {nkey},
		"Authorization Violation":      {nats.RootCAs(ca)},
	} {
		c, err := cluster.Connect(soon(t), s.ClientURL(), nil, opts...)
		if err == nil {
			c.Close(soon(t))
			t.Errorf("it connects, want: %s", want)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want: %s", err, want)
		}
	}
}

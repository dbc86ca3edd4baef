package golden

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// bombPNG is a grey PNG of zeros: a few kilobytes for millions of pixels.
func bombPNG(w, h int) []byte {
	var b bytes.Buffer
	b.WriteString("\x89PNG\r\n\x1a\n")
	chunk := func(name string, data []byte) {
		_ = binary.Write(&b, binary.BigEndian, uint32(len(data)))
		b.WriteString(name)
		b.Write(data)
		_ = binary.Write(&b, binary.BigEndian, crc32.ChecksumIEEE(append([]byte(name), data...)))
	}
	head := binary.BigEndian.AppendUint32(nil, uint32(w))
	chunk("IHDR", append(binary.BigEndian.AppendUint32(head, uint32(h)), 8, 0, 0, 0, 0))
	var z bytes.Buffer
	c := zlib.NewWriter(&z)
	rows := make([]byte, 1<<20)
	for n := h * (1 + w); n > 0; n -= len(rows) {
		_, _ = c.Write(rows[:min(n, len(rows))])
	}
	_ = c.Close()
	chunk("IDAT", z.Bytes())
	chunk("IEND", nil)
	return b.Bytes()
}

// bombJPEG is a grey progressive JPEG with the given number of scans, each of them empty.
func bombJPEG(w, h, scans int) []byte {
	var b bytes.Buffer
	segment := func(marker byte, data ...byte) {
		b.Write([]byte{0xff, marker})
		_ = binary.Write(&b, binary.BigEndian, uint16(len(data)+2))
		b.Write(data)
	}
	b.WriteString("\xff\xd8")
	segment(0xdb, make([]byte, 65)...)
	segment(0xc2, 8, byte(h>>8), byte(h), byte(w>>8), byte(w), 1, 1, 0x11, 0)
	segment(0xc4, append(append([]byte{0x00, 1}, make([]byte, 15)...), 0)...)
	segment(0xc4, append(append([]byte{0x10, 1}, make([]byte, 15)...), 0xe0)...)
	blocks := ((w + 7) / 8) * ((h + 7) / 8)
	segment(0xda, 1, 1, 0, 0, 0, 0)
	b.Write(make([]byte, blocks/8+1))
	for range scans - 1 {
		segment(0xda, 1, 1, 0, 1, 63, 0)
		b.Write(make([]byte, 2*blocks>>14+16))
	}
	b.WriteString("\xff\xd9")
	return b.Bytes()
}

// loadTest is a server under clients.
type loadTest struct {
	t        *testing.T
	url      string
	address  string
	pictures [][]byte // of good clients
	answers  []string
	bombs    [][]byte
	signal   atomic.Int64 // when the server was told to end, in nanoseconds; 0 before

	good, busy, hostile, late atomic.Int64 // requests: answered, with 503, of hostile clients, refused after the signal
}

func (l *loadTest) post(client *http.Client, body io.Reader) (code int, text string, wrote time.Time, err error) {
	trace := &httptrace.ClientTrace{WroteRequest: func(info httptrace.WroteRequestInfo) {
		if info.Err == nil {
			wrote = time.Now()
		}
	}}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(context.Background(), trace), "POST", l.url, body)
	if err != nil {
		return 0, "", wrote, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", wrote, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), wrote, err
}

// metric returns a number of /metrics.
func (l *loadTest) metric(name string) float64 {
	l.t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	resp, err := client.Get("http://" + l.address + "/metrics")
	if err != nil {
		l.t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if number, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			x, err := strconv.ParseFloat(number, 64)
			if err != nil {
				l.t.Fatal(err)
			}
			return x
		}
	}
	l.t.Fatalf("/metrics has no %s: %v", name, lines.Err())
	return 0
}

// client posts pictures until it is told to stop or the server ends. It comes again
// where the server has too much to do.
func (l *loadTest) client(id int, stop <-chan struct{}) {
	r := rand.New(rand.NewPCG(7, uint64(id)))
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: id%2 == 0}, Timeout: time.Minute}
	defer client.CloseIdleConnections()
	for {
		select {
		case <-stop:
			return
		default:
		}
		i := r.IntN(len(l.pictures))
		code, text, wrote, err := l.post(client, bytes.NewReader(l.pictures[i]))
		signal := l.signal.Load()
		switch {
		case err != nil && signal != 0 && (wrote.IsZero() || wrote.UnixNano() > signal):
			l.late.Add(1)
			return // it had not been accepted
		case err != nil:
			l.t.Errorf("client %d: a request is lost: %v", id, err)
			return
		case code == http.StatusServiceUnavailable:
			l.busy.Add(1)
			time.Sleep(time.Duration(50+r.IntN(300)) * time.Millisecond)
		case code != http.StatusOK || text != l.answers[i]:
			l.t.Errorf("client %d, picture %d: status %d, %q, want %q", id, i, code, text, l.answers[i])
			return
		default:
			l.good.Add(1)
		}
	}
}

// attack is what a hostile client does, again and again.
func (l *loadTest) attack(id int, stop <-chan struct{}) {
	r := rand.New(rand.NewPCG(9, uint64(id)))
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	raw := func(head string, more func(c net.Conn)) {
		c, err := net.DialTimeout("tcp", l.address, 5*time.Second)
		if err != nil {
			return
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.WriteString(c, head); err == nil && more != nil {
			more(c)
		}
	}
	wait := func(d time.Duration) bool {
		select {
		case <-stop:
			return false
		case <-time.After(d):
			return true
		}
	}
	drip := func(c net.Conn) {
		for wait(100 * time.Millisecond) {
			if _, err := c.Write([]byte("x")); err != nil {
				return
			}
		}
	}
	head := "POST /classify HTTP/1.1\r\nHost: " + l.address + "\r\n"
	want := func(name string, codes ...int) func(code int, err error) {
		return func(code int, err error) {
			for _, c := range append(codes, http.StatusServiceUnavailable) {
				if err != nil || code == c {
					return
				}
			}
			l.t.Errorf("%s: status %d", name, code)
		}
	}
	for n := id; l.signal.Load() == 0; n += 7 {
		select {
		case <-stop:
			return
		default:
		}
		l.hostile.Add(1)
		switch n % 10 {
		case 0, 1, 2: // bombs
			code, _, _, err := l.post(client, bytes.NewReader(l.bombs[r.IntN(len(l.bombs))]))
			want("a bomb", 200, 400, 413)(code, err)
		case 3: // a slow body
			raw(head+"Content-Length: 100000\r\n\r\n", drip)
		case 4: // a slow header
			raw(head+"X-Slow: ", drip)
		case 5: // broken pictures
			b := bytes.Clone(l.pictures[r.IntN(len(l.pictures))])
			for range 1 + r.IntN(20) {
				b[r.IntN(len(b))] = byte(r.Uint32())
			}
			code, _, _, err := l.post(client, bytes.NewReader(b[:1+r.IntN(len(b))]))
			want("a broken picture", 200, 400, 413)(code, err)
		case 6: // from another site
			req, err := http.NewRequest("POST", l.url, bytes.NewReader(l.pictures[0]))
			if err != nil {
				l.t.Error(err)
				return
			}
			if n%20 < 10 {
				req.Host = "evil.example"
			} else {
				req.Header.Set("Origin", "http://evil.example")
			}
			resp, err := client.Do(req)
			if err == nil {
				resp.Body.Close()
				want("a request from another site", 403)(resp.StatusCode, nil)
			}
		case 7: // gone before the answer
			raw(fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, len(l.pictures[0]), l.pictures[0]), nil)
		case 8: // a body without end
			code, _, _, err := l.post(client, io.LimitReader(zeros{}, 1<<30))
			want("a huge body", 413)(code, err)
		case 9: // a large body that stops
			raw(head+"Content-Length: 30000000\r\n\r\n", func(c net.Conn) {
				if _, err := c.Write(make([]byte, 20<<20)); err == nil {
					drip(c)
				}
			})
		}
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// memoryOf is a line of /proc/PID/status, in MiB.
func memoryOf(t *testing.T, pid int, name string) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(b), "\n") {
		if f := strings.Fields(line); len(f) == 3 && f[0] == name+":" {
			kb, err := strconv.Atoi(f[1])
			if err != nil {
				t.Fatal(err)
			}
			return kb >> 10
		}
	}
	t.Fatalf("no %s in %s", name, b)
	return 0
}

// lastMoment is when a test must come to its end.
func lastMoment(t *testing.T) time.Time {
	if end, ok := t.Deadline(); ok {
		return end.Add(-90 * time.Second)
	}
	return time.Now().Add(time.Hour)
}

// slowConnections opens more connections than the server takes, which begin to send a header or
// a body and then stop. The probes and a picture are answered all the same.
func (l *loadTest) slowConnections(n int) {
	var slow []net.Conn
	defer func() {
		for _, c := range slow {
			c.Close()
		}
	}()
	for i := range n {
		c, err := net.DialTimeout("tcp", l.address, time.Minute)
		if err != nil {
			l.t.Errorf("connection %d: %v", i, err)
			return
		}
		slow = append(slow, c)
		head := "POST /classify HTTP/1.1\r\nHost: " + l.address + "\r\n"
		if i%2 == 0 {
			head += "Content-Length: 100000\r\n\r\nx"
		}
		_, _ = io.WriteString(c, head) // the server may have closed it
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	for _, path := range []string{"healthz", "readyz"} {
		begin := time.Now()
		resp, err := client.Get("http://" + l.address + "/" + path)
		if err != nil {
			l.t.Errorf("%s with %d slow connections: %v", path, n, err)
			continue
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			l.t.Errorf("%s with %d slow connections: status %d", path, n, resp.StatusCode)
		}
		l.t.Logf("%s is answered after %v with %d slow connections", path, time.Since(begin).Round(time.Millisecond), n)
	}
	code, text, _, err := l.post(client, bytes.NewReader(l.pictures[0]))
	for err == nil && code == http.StatusServiceUnavailable && time.Now().Before(lastMoment(l.t)) {
		time.Sleep(100 * time.Millisecond) // the others have taken all places
		code, text, _, err = l.post(client, bytes.NewReader(l.pictures[0]))
	}
	if err != nil || code != http.StatusOK || text != l.answers[0] {
		l.t.Errorf("a picture with %d slow connections: status %d, %v, %s", n, code, err, text)
	}
}

// serverLoad has a generated server answer good clients while hostile ones send bombs,
// slow and huge bodies, broken pictures, and requests of other sites. Every good request
// has its right answer or is told to come again; memory stays below what -memory says
// and a fixed amount, and is given back; on SIGTERM every request that had been sent is
// answered. Afterwards it has no more goroutines than before. INCC_LONG=1 has 500 clients, 200
// of them hostile, and goes on until 10,000 requests are answered or the time of the test ends.
func serverLoad(t *testing.T, program string) {
	if runtime.GOOS != "linux" {
		t.Skip("memory is read from /proc, and SIGTERM sent")
	}
	clients, hostile, duration, memory, least := 20, 8, 2*time.Second, 64, int64(20)
	if long {
		clients, hostile, duration, memory, least = 500, 200, 20*time.Second, 256, 10_000
	}
	cmd := exec.Command(program, "-k", "3", "-http", "127.0.0.1:0", "-memory", strconv.Itoa(memory), "-queue", strconv.Itoa(clients/2))
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	defer func() {
		if !ended {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}()
	out := bufio.NewReader(stderr)
	line, err := out.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	l := &loadTest{t: t, url: strings.TrimPrefix(strings.TrimSpace(line), "listening on ")}
	l.address = strings.TrimSuffix(strings.TrimPrefix(l.url, "http://"), "/classify")
	said := make(chan string)
	go func() {
		b, _ := io.ReadAll(out)
		said <- string(b)
	}()

	// Digits of sorts, small and large.
	for i, size := range []int{28, 28, 60, 300, 1000} {
		img := image.NewGray(image.Rect(0, 0, size, size))
		for y := range size {
			for x := range size {
				dx, dy := x-size/2, y-size/2
				if d := (3+i%2)*dx*dx + (2+i)*dy*dy; d > size*size/8 && d < size*size/2 {
					img.SetGray(x, y, color.Gray{uint8(200 + (x*y)%50)})
				}
			}
		}
		var b bytes.Buffer
		encode := png.Encode
		if i%2 == 1 {
			encode = func(w io.Writer, img image.Image) error { return jpeg.Encode(w, img, nil) }
		}
		if err := encode(&b, img); err != nil {
			t.Fatal(err)
		}
		code, text, _, err := l.post(http.DefaultClient, bytes.NewReader(b.Bytes()))
		if err != nil || code != http.StatusOK || !strings.Contains(text, `"class"`) {
			t.Fatalf("status %d, %v: %s", code, err, text)
		}
		l.pictures, l.answers = append(l.pictures, b.Bytes()), append(l.answers, text)
	}
	http.DefaultClient.CloseIdleConnections()
	l.bombs = [][]byte{bombPNG(1, 1<<24), bombPNG(1<<24, 1), bombPNG(1<<12, 1<<12), bombPNG(40000, 400), bombPNG(400, 40000), bombPNG(3, 65535), bombPNG(1<<14, 1<<14)[:5000],
		bombJPEG(4096, 4096, 3000), bombJPEG(1024, 1024, 100), bombJPEG(4096, 4096, 20), bombJPEG(65535, 8, 100)}
	first := memoryOf(t, cmd.Process.Pid, "VmRSS")
	before := l.metric("go_goroutines")

	load := func() (stop func()) {
		done := make(chan struct{})
		var wg sync.WaitGroup
		for id := range clients {
			wg.Add(1)
			go func() {
				defer wg.Done()
				if id < hostile {
					l.attack(id, done)
				} else {
					l.client(id, done)
				}
			}()
		}
		return func() {
			close(done)
			wg.Wait()
		}
	}
	stop := load()
	time.Sleep(duration)
	begin := time.Now()
	for end := lastMoment(t); l.good.Load() < least && time.Now().Before(end); {
		time.Sleep(100 * time.Millisecond)
	}
	duration += time.Since(begin)
	if long {
		l.slowConnections(1100)
	}
	stop()
	peak := memoryOf(t, cmd.Process.Pid, "VmHWM")
	time.Sleep(3 * time.Second)
	after := memoryOf(t, cmd.Process.Pid, "VmRSS")
	good, busy, bad := l.good.Load(), l.busy.Load(), l.hostile.Load()
	t.Logf("%d clients, %d of them hostile, for %v: %d requests answered, %d told to come again, %d hostile ones", clients, hostile, duration.Round(time.Second), good, busy, bad)
	t.Logf("memory: %d MiB before, %d MiB at most with -memory %d, %d MiB afterwards", first, peak, memory, after)
	t.Logf("%.0f pictures in %.0f batches", l.metric("incc_batch_images_sum"), l.metric("incc_batch_images_count"))
	if good < least {
		t.Errorf("only %d requests are answered", good)
	}
	if n := l.metric(`incc_requests_total{code="200"}`); n < float64(good) {
		t.Errorf("%d requests are answered, but /metrics has %.0f", good, n)
	}
	for end := time.Now().Add(20 * time.Second); l.metric("go_goroutines") > before+2; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) { // more than the times that requests and bodies have
			t.Errorf("%.0f goroutines before, %.0f afterwards", before, l.metric("go_goroutines"))
			break
		}
	}
	for _, name := range []string{`incc_memory_bytes{of="bodies"}`, `incc_memory_bytes{of="pictures"}`, "incc_queued_images"} {
		if x := l.metric(name); x != 0 {
			t.Errorf("afterwards %s is %.0f", name, x)
		}
	}
	if most := first + memory + memory/4 + 96; peak > most {
		t.Errorf("the server took %d MiB, more than %d", peak, most)
	}
	if after > first+32 {
		t.Errorf("the server keeps %d MiB", after)
	}

	// The end, under the same load.
	stop = load()
	time.Sleep(min(duration/2, 10*time.Second))
	l.signal.Store(time.Now().UnixNano())
	begin = time.Now()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	rest := <-said
	err = cmd.Wait()
	ended = true
	t.Logf("ended %v after SIGTERM; %d more requests answered, %d refused after it", time.Since(begin).Round(time.Millisecond), l.good.Load()-good, l.late.Load())
	if err != nil || rest != "stopping: answering the requests that are there\nstopped\n" {
		t.Errorf("the server ends with %v: %s", err, rest)
	}
	stop()
}

// Goroutines, channels, timers, the collector, pipes through the runtime's poller: what a Go
// program does before it does anything. Prints the same at every run.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func channels() {
	jobs, results := make(chan int), make(chan int, 16)
	var wg sync.WaitGroup
	for w := 0; w < 50; w++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for n := range jobs {
				results <- n * n
			}
		}()
	}
	go func() {
		for i := 1; i <= 2000; i++ {
			jobs <- i
		}
		close(jobs)
		wg.Wait()
		close(results)
	}()
	sum := 0
	for r := range results {
		sum += r
	}
	fmt.Println("channels", sum)
}

func timers() {
	start, ticks := time.Now(), 0
	t := time.NewTicker(2 * time.Millisecond)
	timeout := time.After(5 * time.Second)
	for ticks < 5 {
		select {
		case <-t.C:
			ticks++
		case <-timeout:
			fmt.Println("timers: too late")
			os.Exit(1)
		}
	}
	t.Stop()
	time.Sleep(5 * time.Millisecond)
	fmt.Println("timers", ticks, time.Since(start) >= 15*time.Millisecond)
}

type node struct {
	left, right *node
	pad         [64]byte
}

func tree(depth int) *node {
	if depth == 0 {
		return &node{}
	}
	return &node{left: tree(depth - 1), right: tree(depth - 1)}
}

func (n *node) count() int {
	if n == nil {
		return 0
	}
	return 1 + n.left.count() + n.right.count()
}

func garbage() {
	var total int64
	var wg sync.WaitGroup
	for g := 0; g < 4; g++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := 0; i < 20; i++ {
				atomic.AddInt64(&total, int64(tree(10).count()))
			}
		}()
	}
	wg.Wait()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fmt.Println("garbage", total, m.NumGC > 0)
}

// Both ends are non-blocking, so the reader waits in epoll.
func poller() {
	r, w, err := os.Pipe()
	if err != nil {
		fmt.Println("pipe", err)
		os.Exit(1)
	}
	done := make(chan int)
	go func() {
		buf, n := make([]byte, 100), 0
		for {
			k, err := r.Read(buf)
			n += k
			if err != nil {
				break
			}
		}
		done <- n
	}()
	for i := 0; i < 100; i++ {
		fmt.Fprintf(w, "line %03d\n", i)
		runtime.Gosched()
	}
	w.Close()
	fmt.Println("poller", <-done)
}

func deadline() {
	r, _, err := os.Pipe()
	if err == nil {
		err = r.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
	}
	if err == nil {
		_, err = r.Read(make([]byte, 1))
	}
	fmt.Println("deadline", os.IsTimeout(err))
}

func signals() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR1)
	syscall.Kill(os.Getpid(), syscall.SIGUSR1)
	fmt.Println("signals", <-c)
}

func crash() {
	defer func() { fmt.Println("recovered", recover() != nil) }()
	var n *node
	n.left = n
}

func main() {
	channels()
	timers()
	garbage()
	poller()
	deadline()
	signals()
	crash()
	fmt.Println("ok")
}

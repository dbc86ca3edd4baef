// Init is the first process of the emulated machine that .ci/avx512/run starts: it runs the
// test binary /kernel.test once with the arguments of each line of /args, and prints how
// each run ended.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

func main() {
	syscall.Mount("devtmpfs", "/dev", "devtmpfs", 0, "")
	syscall.Mount("proc", "/proc", "proc", 0, "")
	args, err := os.ReadFile("/args")
	if err != nil {
		fmt.Println("INCC-RUN", err)
	}
	for line := range strings.Lines(string(args)) {
		test := exec.Command("/kernel.test", strings.Fields(line)...)
		test.Stdout, test.Stderr = os.Stdout, os.Stderr
		fmt.Println("INCC-RUN", test.Run())
	}
	fmt.Println("INCC-END")
	for { // the first process must not end
		syscall.Pause()
	}
}

package main

// explainServe is the page about networks as services.
func explainServe() string {
	return `networks as services: a Go program, Triton or ONNX Runtime

incc gen go RUN -o DIR --main writes a program that needs nothing but itself:

  go build -o digits ./digits/cmd/digits
  ./digits -http 127.0.0.1:8080
  curl --data-binary @picture.png http://127.0.0.1:8080/classify
  curl -F a=@one.png -F b=@two.png 'http://127.0.0.1:8080/classify?k=3'

POST /classify answers a picture (PNG, JPEG or GIF) with its most likely classes,
and a form of up to 64 files with an object for each. k is how many classes.
GET /healthz, /readyz and /metrics are for load balancers and Prometheus. The
README.md beside the program has all of its flags, answers and limits.

Batches

Pictures that come while a batch is computed are the next batch, of up to the
--batch of gen go; -batch, -wait and -queue change that for a server. A lone
client does not wait for others.

Load

Too many requests get 503 with Retry-After, at once. Bodies and pictures share
-memory. Clients that send slowly lose their connection when others need it, so
the probes are answered. After SIGTERM, /readyz answers 503, and the program
ends when the requests that it has are answered.

Machines

incc gen go --main --deploy adds a Dockerfile (FROM scratch), with a
Dockerfile.dockerignore, and kubernetes.yaml: a Deployment, a Service and an
autoscaler. The programs share nothing, so any load balancer will do. A server
listens on loopback addresses alone without -public; it has no passwords and no
TLS: put a proxy in front of it.

Other servers

incc gen triton writes a repository for Triton (incc explain triton). incc compile
writes an ONNX model, which ONNX Runtime and its servers run.
`
}

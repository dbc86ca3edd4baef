"""Expected values of fake_quantize, by PyTorch: python fake_quantize.py > fake_quantize.json"""
import torch, json
torch.manual_seed(1)
out=[]
for signed,n,scale,factor in [(False,24,0.05,0.3),(True,24,0.02,1.0),(False,12,0.5,0.01)]:
    x=(torch.randn(n)*(4 if signed==False else 2)*(10 if scale==.5 else 1)).requires_grad_()
    s=torch.tensor([scale],requires_grad=True)
    lo,hi=(-128,127) if signed else (0,255)
    z=torch.zeros(1)
    y=torch._fake_quantize_learnable_per_tensor_affine(x,s,z,lo,hi,factor)
    dy=torch.randn(n)
    y.backward(dy)
    f=lambda t:[float('%.9g'%v) for v in t.detach().flatten().tolist()]
    out.append(dict(signed=signed,factor=factor,step=f(s),x=f(x),dy=f(dy),y=f(y),dx=f(x.grad),dstep=f(s.grad)))
print(json.dumps(out,indent=0).replace(',\n',', '))

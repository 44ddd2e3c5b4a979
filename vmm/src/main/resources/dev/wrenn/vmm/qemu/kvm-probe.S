# Proof that an accelerator runs ordinary guests: real mode, then long mode with paging, then a
# loop. Says "run" on the debug port and ends by a triple fault, which QEMU takes for a reset.
# The last 512 bytes of a 64 KiB firmware image; kvm-probe.bin is made from this by
#   as --64 -o kvm-probe.o kvm-probe.S
#   ld -Ttext=0xffe00 --oformat binary -o kvm-probe.bin kvm-probe.o
    .code16
    .globl _start
_start:
    cli
    xorw %ax, %ax
    movw %ax, %ds
    movl $0x2003, 0x1000            # PML4[0] -> PDPT
    movl $0x3003, 0x2000            # PDPT[0] -> PD
    movl $0x0083, 0x3000            # PD[0]: 2 MiB identity, where this code is
    movl $0x1000, %eax
    movl %eax, %cr3
    movl %cr4, %eax
    orl $0x20, %eax                 # PAE
    movl %eax, %cr4
    movl $0xc0000080, %ecx          # EFER
    rdmsr
    orl $0x100, %eax                # LME
    wrmsr
    lgdtl %cs:(gdt_pointer - 0xf0000)
    movl %cr0, %eax
    orl $0x80000001, %eax           # PG, PE
    movl %eax, %cr0
    ljmpl $8, $long_mode
    .code64
long_mode:
    movw $16, %ax
    movw %ax, %ss
    movl $0x8000, %esp
    movl $3, %ecx
    leaq text(%rip), %rsi
    movw $0x402, %dx
    rep outsb
    movl $1000000, %ecx             # a vCPU that is single-stepped would not end in time
1:  pushq %rcx
    popq %rax
    loop 1b
    movb $'.', %al
    outb %al, %dx
    lidt no_idt(%rip)
    int3
text: .ascii "run"
    .balign 8
gdt: .quad 0
    .quad 0x00209a0000000000        # 64-bit code
    .quad 0x0000920000000000        # data
gdt_pointer: .word 23
    .long gdt
no_idt: .fill 10
    .org 0x1f0
    .code16
reset:                              # F000:FFF0
    ljmpw $0xf000, $(_start - 0xf0000)  # from the top of memory to its copy below 1 MiB
    .org 0x200

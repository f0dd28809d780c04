# What takes the place of the vDSO's functions: the kernel's answer, and what is wrong with it.
# See vdso.py, which holds the assembled bytes; `as vdso_clock.s` makes them.
#
# data +0  magic   +8 offset of the newer block (0 or 80)   +16 block, +96 block
# block    the wall clock's five numbers, then the monotonic one's: +0 began (ns by that clock),
#          +8 ahead (ns), +16 (rate - 1) * 2^32, +24 strobe (ns), +32 half its period (ns, or 0)
        .intel_syntax noprefix
        .text
data:   .space 176

clock_gettime:                          # edi: which clock, rsi: timespec
        mov     eax, 228
        syscall
        test    eax, eax
        jnz     9f
        cmp     edi, 11
        ja      9f
        mov     ecx, edi
        mov     edx, 1
        shl     edx, cl
        xor     r8d, r8d
        test    edx, 0x921              # realtime, its coarse and alarm kinds, and tai
        jnz     1f
        test    edx, 0x2d2              # monotonic, raw, coarse, boottime and its alarm kind
        jz      9f
        mov     r8d, 40
1:      imul    rax, [rsi], 1000000000
        add     rax, [rsi+8]
        call    shift
        xor     edx, edx
        mov     ecx, 1000000000
        div     rcx
        mov     [rsi], rax
        mov     [rsi+8], rdx
        xor     eax, eax
9:      ret

        .balign 16
gettimeofday:                           # rdi: timeval or 0, rsi: timezone or 0
        mov     eax, 96
        syscall
        test    eax, eax
        jnz     9f
        test    rdi, rdi
        jz      9f
        imul    rax, [rdi], 1000000000
        imul    rcx, [rdi+8], 1000
        add     rax, rcx
        xor     r8d, r8d
        call    shift
        xor     edx, edx
        mov     ecx, 1000000000
        div     rcx
        mov     [rdi], rax
        mov     rax, rdx
        xor     edx, edx
        mov     ecx, 1000
        div     rcx
        mov     [rdi+8], rax
        xor     eax, eax
9:      ret

        .balign 16
time:                                   # rdi: time_t or 0
        push    rdi
        sub     rsp, 16
        xor     edi, edi
        mov     rsi, rsp
        mov     eax, 228
        syscall
        imul    rax, [rsp], 1000000000
        add     rax, [rsp+8]
        add     rsp, 16
        pop     rdi
        xor     r8d, r8d
        call    shift
        xor     edx, edx
        mov     ecx, 1000000000
        div     rcx
        test    rdi, rdi
        jz      9f
        mov     [rdi], rax
9:      ret

        .balign 16
shift:                                  # rax: true ns, r8: which clock's part of a block
        lea     rdx, [rip + data]
        mov     r9, [rdx+8]
        lea     r10, [rdx+r9+16]
        add     r10, r8
        cmp     rax, [r10]
        jge     1f
        neg     r9                      # the newer block has not begun
        lea     r10, [rdx+r9+96]
        add     r10, r8
1:      mov     rcx, rax
        mov     r9, rax
        sub     r9, [r10]
        mov     rax, r9
        imul    qword ptr [r10+16]
        shrd    rax, rdx, 32
        add     rcx, rax
        add     rcx, [r10+8]
        mov     r8, [r10+32]
        test    r8, r8
        jz      2f
        mov     rax, r9
        cqo
        idiv    r8
        test    al, 1
        jnz     2f
        add     rcx, [r10+24]
2:      mov     rax, rcx
        ret

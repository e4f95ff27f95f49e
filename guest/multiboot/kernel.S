# A multiboot kernel that shows what it was given: prints its boot information on the serial port,
# does what the last word of its command line says, and leaves by the exit port.
#
#   0 to 9   exits with that number        h  halts, interrupts off      l  loops for ever
#   t        triple fault                  m  reads memory that is not there
#   i        asks the timer for an interrupt, and waits for it
#   p        32-bit paging: the same byte by two addresses
#   f        prints for ever, a page of zeroes at a time
#   s        writes a string with one instruction, reads from a port that nobody has
    .set    SERIAL, 0x3f8
    .set    EXIT, 0xf4
    .set    FLAGS, 0x3                  # page-aligned modules, memory information

    .section .multiboot, "a"
    .balign 4
    .long   0x1badb002, FLAGS, -(0x1badb002 + FLAGS)

    .text
    .globl  _start
_start:
    movl    $stack_top, %esp
    movl    %eax, %ebp
    movl    $hello, %esi
    call    print
    cmpl    $0x2badb002, %ebp           # is it a multiboot loader that calls?
    movl    $1, %eax
    jne     leave
    lgdt    gdt_pointer                 # the loader's descriptors are not to be used
    ljmp    $8, $1f
1:  movl    $16, %eax
    movl    %eax, %ds
    movl    %eax, %es
    movl    %eax, %ss

    movl    $command_text, %esi
    call    print
    movl    16(%ebx), %esi
    call    print
    call    newline

    # The memory map: 44(%ebx) bytes of entries at 48(%ebx).
    movl    48(%ebx), %edi
    movl    44(%ebx), %ebp
    addl    %edi, %ebp
2:  cmpl    %ebp, %edi
    jae     3f
    movl    $map_text, %esi
    call    print
    movl    4(%edi), %eax
    call    print_hex
    movl    12(%edi), %eax
    call    print_hex
    movl    20(%edi), %eax
    call    print_hex
    call    newline
    addl    (%edi), %edi
    addl    $4, %edi
    jmp     2b

    # The module, if there is one: name, then contents.
3:  cmpl    $0, 20(%ebx)
    je      behave
    movl    24(%ebx), %edi
    movl    $module_text, %esi
    call    print
    movl    8(%edi), %esi
    call    print
    movb    $':', %al
    call    put
    movl    (%edi), %esi
    testl   $0xfff, %esi                # modules begin at a page
    movl    $2, %eax
    jnz     leave
4:  cmpl    4(%edi), %esi
    jae     5f
    lodsb
    call    put
    jmp     4b
5:  call    newline

# The last character of the command line.
behave:
    movl    16(%ebx), %esi
    xorl    %edx, %edx
1:  lodsb
    testb   %al, %al
    jz      2f
    movb    %al, %dl
    jmp     1b
2:  movzbl  %dl, %eax
    cmpb    $'h', %al
    je      halt
    cmpb    $'l', %al
    je      loop_for_ever
    cmpb    $'t', %al
    je      triple_fault
    cmpb    $'m', %al
    je      missing_memory
    cmpb    $'i', %al
    je      interrupt
    cmpb    $'p', %al
    je      paging
    cmpb    $'s', %al
    je      strings
    cmpb    $'f', %al
    je      flood
    subl    $'0', %eax
    cmpl    $9, %eax
    jbe     leave
    xorl    %eax, %eax
leave:
    movl    $EXIT, %edx
    outl    %eax, %dx
halt:
    cli
    hlt
    jmp     halt
# With interrupts on, of which none is asked for: under Bochs a guest that has them off keeps the host's
# out as well.
loop_for_ever:
    sti
1:  jmp     1b
triple_fault:
    lidt    no_idt
    ud2

flood:
    movl    $page_directory, %esi
    movl    $4096, %ecx
    movl    $SERIAL, %edx
    rep outsb
    jmp     flood

missing_memory:
    movl    0xd0000000, %eax
    call    print_hex
    movl    %eax, 0xd0000000
    call    newline
    xorl    %eax, %eax
    jmp     leave

strings:
    movl    $string, %esi
    movl    $string_end - string, %ecx
    movl    $SERIAL, %edx
    rep outsb
    movl    $0x80, %edx
    xorl    %eax, %eax
    inl     %dx, %eax
    call    print_hex
    call    newline
    xorl    %eax, %eax
    jmp     leave

# Vector 0x20 from the timer by the first interrupt controller.
interrupt:
    movl    $on_timer, %eax
    movl    $idt + 0x20 * 8, %edi
    movw    %ax, (%edi)
    movw    $8, 2(%edi)
    movw    $0x8e00, 4(%edi)
    shrl    $16, %eax
    movw    %ax, 6(%edi)
    lidt    idt_pointer
    movb    $0x11, %al                  # four initialisation words
    outb    %al, $0x20
    movb    $0x20, %al
    outb    %al, $0x21
    movb    $4, %al
    outb    %al, $0x21
    movb    $1, %al
    outb    %al, $0x21
    movb    $0xfe, %al                  # only the timer
    outb    %al, $0x21
    movb    $0x34, %al                  # counter 0, rate generator
    outb    %al, $0x43
    movb    $0x9c, %al
    outb    %al, $0x40
    movb    $0x2e, %al
    outb    %al, $0x40
    sti
1:  hlt
    cmpl    $0, ticks
    je      1b
    cli
    movl    $tick_text, %esi
    call    print
    xorl    %eax, %eax
    jmp     leave
on_timer:
    pushl   %eax
    incl    ticks
    movb    $0x20, %al
    outb    %al, $0x20
    popl    %eax
    iret

# The first 4 MiB at 0 and once more at 4 MiB, as one 4 MiB page each.
paging:
    movl    $0x00000083, page_directory
    movl    $0x00000083, page_directory + 4
    movl    %cr4, %eax
    orl     $0x10, %eax                 # PSE
    movl    %eax, %cr4
    movl    $page_directory, %eax
    movl    %eax, %cr3
    movl    %cr0, %eax
    orl     $0x80000000, %eax
    movl    %eax, %cr0
    movl    $0x12345678, page_directory + 0x100 + 0x400000
    movl    page_directory + 0x100, %eax
    call    print_hex
    call    newline
    xorl    %eax, %eax
    jmp     leave

# print: the text at %esi. put: the character in %al. print_hex: %eax and a blank. All keep what
# they do not take, %esi of print apart.
print:
    pushl   %eax
1:  lodsb
    testb   %al, %al
    jz      2f
    call    put
    jmp     1b
2:  popl    %eax
    ret
newline:
    movb    $'\n', %al
put:
    pushl   %edx
    pushl   %eax
    movl    $SERIAL + 5, %edx
1:  inb     %dx, %al
    testb   $0x20, %al                  # until the port can take it
    jz      1b
    movl    $SERIAL, %edx
    popl    %eax
    outb    %al, %dx
    popl    %edx
    ret
print_hex:
    pushl   %eax
    pushl   %ecx
    movl    $8, %ecx
1:  roll    $4, %eax
    pushl   %eax
    andl    $15, %eax
    movb    digits(%eax), %al
    call    put
    popl    %eax
    loop    1b
    movb    $' ', %al
    call    put
    popl    %ecx
    popl    %eax
    ret

    .section .rodata
hello:          .asciz "kernel\n"
command_text:   .asciz "command line: "
map_text:       .asciz "memory: "
module_text:    .asciz "module "
tick_text:      .asciz "tick\n"
digits:         .ascii "0123456789abcdef"
string:         .ascii "one instruction\n"
string_end:
    .balign 8
gdt:            .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdt_pointer:    .word gdt_pointer - gdt - 1
                .long gdt
idt_pointer:    .word 0x21 * 8 - 1
                .long idt
no_idt:         .word 0
                .long 0

    .bss
    .balign 4096
page_directory: .skip 4096
idt:            .skip 0x21 * 8
ticks:          .skip 4
    .balign 16
                .skip 1024
stack_top:
    .section .note.GNU-stack, "", @progbits

// The report page without data, as web/ built it.
  .section .rodata
  .globl faultline_report_page_begin, faultline_report_page_end
faultline_report_page_begin:
  .incbin "report.html"
faultline_report_page_end:
  .byte 0
  .section .note.GNU-stack, "", @progbits

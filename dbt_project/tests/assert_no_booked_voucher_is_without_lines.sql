with

vouchers as (
    select * from {{ ref('stg_lexware_office__vouchers') }}
    where is_booked and voucher_type in ('salesinvoice', 'salescreditnote')
),

lines as (
    select * from {{ ref('int_invoice_lines_unioned') }}
),

final as (
    select
        voucher_id,
        voucher_type,
        invoiced_on,
        gross_amount
    from vouchers
    where not exists (
        select 1
        from lines
        where
            lines.document_number = vouchers.document_number
            and extract(year from lines.invoiced_on) = extract(year from vouchers.invoiced_on)
    )
)

select * from final

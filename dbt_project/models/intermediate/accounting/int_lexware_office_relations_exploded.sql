with

details as (
    select * from {{ ref('stg_lexware_office__voucher_details') }}
),

exploded as (
    select
        voucher_id,
        'related' as relation,
        {{ json_elements('related_vouchers') }} as other_voucher
    from details
    where related_vouchers is not null
    union all
    select
        voucher_id,
        'deducted' as relation,
        {{ json_elements('down_payment_deductions') }} as other_voucher
    from details
    where down_payment_deductions is not null
),

final as (
    select
        voucher_id,
        relation,
        {{ json_text('other_voucher', '$.id') }} as other_voucher_id,
        {{ json_text('other_voucher', '$.voucherNumber') }} as other_document_number,
        {{ json_text('other_voucher', '$.voucherType') }} as other_voucher_type,
        cast({{ json_text('other_voucher', '$.receivedGrossAmount') }} as decimal(28, 6))
            as deducted_gross_amount
    from exploded
)

select * from final

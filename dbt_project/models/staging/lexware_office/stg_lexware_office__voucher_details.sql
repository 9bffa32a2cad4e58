with

voucher_details as (
    {{ current_records(source('raw_lexware_office', 'voucher_details'), ['id']) }}
),

final as (
    select
        id as voucher_id,
        contact_id,
        cast({{ parse_timestamp('due_date') }} as date) as due_on,
        cast({{ cleaned_text('payment_term_days') }} as integer) as payment_term_days,
        tax_type,
        {{ parse_decimal('total_net_amount', '_decimal_mark') }} as net_amount,
        {{ parse_decimal('total_tax_amount', '_decimal_mark') }} as tax_amount,
        {{ parse_decimal('total_gross_amount', '_decimal_mark') }} as gross_amount,
        coalesce(
            {{ parse_decimal('total_discount_absolute', '_decimal_mark') }},
            {{ parse_decimal('total_discount_percentage', '_decimal_mark') }},
            0
        ) <> 0 as has_total_discount,
        {{ cleaned_text('related_vouchers') }} as related_vouchers,
        {{ cleaned_text('down_payment_deductions') }} as down_payment_deductions,
        {{ cleaned_text('introduction') }} as introduction,
        {{ cleaned_text('recipient_name') }} as recipient_name,
        _load_id as load_id
    from voucher_details
)

select * from final

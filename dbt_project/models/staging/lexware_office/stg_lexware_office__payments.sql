with

payments as (
    {{ current_records(source('raw_lexware_office', 'payments'), ['voucher_id']) }}
),

final as (
    select
        voucher_id,
        {{ parse_decimal('open_amount', '_decimal_mark') }} as open_amount,
        upper({{ cleaned_text('currency') }}) as currency,
        payment_status,
        voucher_status,
        cast({{ parse_timestamp('paid_date') }} as date) as paid_on,
        _load_id as load_id
    from payments
)

select * from final

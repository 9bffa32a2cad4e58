with

vouchers as (
    {{ current_records(source('raw_lexware_office', 'vouchers'), ['id']) }}
),

final as (
    select
        id as voucher_id,
        voucher_type,
        voucher_status,
        voucher_status not in ('draft', 'unchecked', 'voided') as is_booked,
        {{ cleaned_text('voucher_number') }} as document_number,
        cast({{ parse_timestamp('voucher_date') }} as date) as invoiced_on,
        cast({{ parse_timestamp('due_date') }} as date) as due_on,
        {{ parse_timestamp('updated_date') }} as updated_at,
        contact_id,
        {{ cleaned_text('contact_name') }} as customer_name,
        {{ parse_decimal('total_amount', '_decimal_mark') }} as gross_amount,
        {{ parse_decimal('open_amount', '_decimal_mark') }} as open_amount,
        upper({{ cleaned_text('currency') }}) as currency,
        coalesce({{ parse_flag('archived') }}, false) as is_archived,
        _load_id as load_id
    from vouchers
)

select * from final

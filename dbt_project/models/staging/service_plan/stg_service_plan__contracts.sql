with

contracts as (
    {{ current_records(
        source('raw_service_plan', 'contracts'),
        [cleaned_text('contract_number'), cleaned_text('serial_number')]
    ) }}
),

final as (
    select
        {{ cleaned_text('contract_number') }} as contract_number,
        {{ cleaned_text('serial_number') }} as serial_number,
        {{ cleaned_text('customer_number') }} as customer_number,
        {{ cleaned_text('product_code') }} as product_code,
        {{ cleaned_text('product_name') }} as product_name,
        {{ parse_date('starts_on', '_date_order') }} as starts_on,
        {{ parse_date('ends_on', '_date_order') }} as ends_on,
        cast({{ parse_decimal('interval_months', '_decimal_mark') }} as integer) as interval_months,
        {{ parse_date('next_due_on', '_date_order') }} as next_due_on,
        {{ parse_decimal('yearly_fee', '_decimal_mark') }} as yearly_fee,
        _load_id as load_id
    from contracts
)

select * from final

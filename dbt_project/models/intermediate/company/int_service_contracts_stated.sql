with

contracts as (
    select * from {{ ref('stg_service_plan__contracts') }}
),

settings as (
    select * from {{ ref('stg_company__settings') }}
),

stated as (
    select
        contracts.*,
        settings.as_of,
        case
            when contracts.ends_on < settings.as_of then 'ended'
            when contracts.starts_on < settings.as_of then 'running'
            else 'not_started'
        end as status
    from contracts
    cross join settings
),

-- Nobody comes after the end, whatever the plan still says.
due as (
    select
        *,
        case
            when status <> 'ended' and (ends_on is null or next_due_on <= ends_on) then next_due_on
        end as next_service_on
    from stated
),

final as (
    select
        'service_plan' as source,
        concat_ws(':', contract_number, serial_number) as service_contract_id,
        contract_number,
        serial_number,
        customer_number,
        product_code,
        product_name,
        starts_on,
        ends_on,
        status,
        interval_months,
        next_service_on as next_due_on,
        coalesce(next_service_on < as_of, false) as is_overdue,
        yearly_fee
    from due
)

select * from final
